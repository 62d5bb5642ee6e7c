// elsewhere FOLDER OTHER COMMAND...    runs the command where FOLDER leads to OTHER, as on a host
// that does not share it. Ends with 77 where the system refuses such a view.
#include <sys/mount.h>
#include <unistd.h>

#include <cstdio>

#include "tests/base/private_mounts.h"

int main(int count, char** arguments) {
  if (count < 4) return 2;
  if (!qk::tests::enter_private_mounts() ||
      ::mount(arguments[2], arguments[1], nullptr, MS_BIND, nullptr) != 0) {
    return 77;
  }
  ::execv(arguments[3], arguments + 3);
  std::perror(arguments[3]);
  return 1;
}
