#include "cli/cluster/lock.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>

#include "cli/cluster/process.h"
#include "common/runtime/file.h"

namespace devrun::cluster {

Result<UniqueFd> lock_cluster(const Layout& layout) {
  UniqueFd fd = TRY(open_file(layout.lock(), O_RDWR | O_CREAT, 0600));
  if (!wait_until(seconds(60), [&] { return ::flock(fd.get(), LOCK_EX | LOCK_NB) == 0; })) {
    return Error{Code::kConflict,
                 fmt::format("another devrun up or down works on {}", layout.folder),
                 fmt::format("fuser -v {}   (who it is)", layout.lock())};
  }
  return fd;
}

}  // namespace devrun::cluster
