#pragma once
/// What the program calls of the library that speaks MPI, which is loaded where a job has several
/// ranks: without it the program needs no MPI.
#include "parallel/job.h"

namespace qk::parallel {

using JoinFunction = Job* (*)();
constexpr const char* kJoinName = "qk_join_mpi_job";

}  // namespace qk::parallel

extern "C" qk::parallel::Job* qk_join_mpi_job();
