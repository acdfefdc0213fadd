// pipe2(2).
#include "common/runtime/pipe.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "common/runtime/file.h"

namespace devrun {

Result<Pipe> make_pipe() {
  int fds[2];
  if (::pipe2(fds, O_CLOEXEC) != 0) return errno_error("pipe", errno);
  return Pipe{UniqueFd(fds[0]), UniqueFd(fds[1])};
}

}  // namespace devrun
