#include "agent/sync/state_lock.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>

#include <cerrno>
#include <chrono>
#include <thread>

#include "common/runtime/file.h"

namespace devrun::agent {

namespace {
// A child that the last agent was about to turn into a program may hold it for an instant.
constexpr int kTries = 100;
constexpr auto kPause = std::chrono::milliseconds(20);
}  // namespace

Result<UniqueFd> lock_state(const std::string& state_folder) {
  const std::string path = state_folder + "/lock";
  UniqueFd fd = TRY(open_file(path, O_RDWR | O_CREAT, 0600));
  for (int tries = 0; ::flock(fd.get(), LOCK_EX | LOCK_NB) != 0; ++tries) {
    if (errno != EWOULDBLOCK && errno != EINTR) return errno_error("lock " + path, errno);
    if (tries == kTries) {
      return Error{Code::kConflict,
                   fmt::format("another devrun-agent runs with the state folder {}", state_folder),
                   fmt::format("fuser -v {} (who it is)", path)};
    }
    std::this_thread::sleep_for(kPause);
  }
  return fd;
}

}  // namespace devrun::agent
