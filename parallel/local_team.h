#pragma once
/// A job of copies of this program on this host, without MPI: the process that the user started is
/// rank 0 and starts the others. They share counters in memory; each has a socket to rank 0.
#include <memory>
#include <string>
#include <vector>

#include "parallel/job.h"

namespace qk::parallel {

/// Starts ranks 1, 2, ... with this process's own arguments. works_on: for each rank what it
/// computes on, for messages. To be called on the main thread: where that ends, the others do too.
/// From now on a rank that dies or fails ends this process, with a message and its exit code.
/// Throws ConfigError where the system starts no more processes.
std::unique_ptr<Job> start_team(const std::vector<std::string>& works_on);

/// The job that start_team has started this process for; elsewhere null.
std::unique_ptr<Job> join_team();

}  // namespace qk::parallel
