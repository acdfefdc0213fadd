#include "cli/cluster/lock.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "cli/cluster/process.h"
#include "common/runtime/file.h"

namespace devrun::cluster {

namespace {

constexpr Duration kPatience = seconds(60);

// `down --purge` removes the file that others may be waiting for; a lock on it then means nothing.
bool is_still_at(int fd, const std::string& path) {
  struct stat held {};
  struct stat there {};
  return ::fstat(fd, &held) == 0 && ::stat(path.c_str(), &there) == 0 &&
         held.st_ino == there.st_ino && held.st_dev == there.st_dev;
}

}  // namespace

Result<UniqueFd> lock_cluster(const Layout& layout) {
  Result<UniqueFd> fd = open_file(layout.lock(), O_RDWR | O_CREAT, 0600);
  const bool locked = wait_until(kPatience, [&] {
    if (!fd || ::flock(fd->get(), LOCK_EX | LOCK_NB) != 0) return !fd;
    if (is_still_at(fd->get(), layout.lock())) return true;
    fd = open_file(layout.lock(), O_RDWR | O_CREAT, 0600);
    return false;
  });
  if (locked) return fd;
  return Error{Code::kConflict, fmt::format("another devrun up or down works on {}", layout.folder),
               fmt::format("fuser -v {}   (who it is)", layout.lock())};
}

}  // namespace devrun::cluster
