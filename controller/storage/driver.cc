#include "controller/storage/driver.h"

#include <fmt/format.h>
#include <linux/magic.h>
#include <sys/vfs.h>

#include <cerrno>

#include "controller/storage/btrfs_driver.h"
#include "controller/storage/scan_driver.h"

namespace devrun::storage {

Result<std::unique_ptr<Driver>> Driver::of(const std::string& folder) {
  struct statfs info {};
  if (::statfs(folder.c_str(), &info) != 0) {
    return errno_error(fmt::format("statfs {}", folder), errno);
  }
  switch (info.f_type) {
    case BTRFS_SUPER_MAGIC:
      return make_btrfs_driver(folder);
    case TMPFS_MAGIC:
    case RAMFS_MAGIC:
      return Error{Code::kUnsupported,
                   fmt::format("{} is in memory, and volumes must survive power loss", folder),
                   "put the store on a disk, best on btrfs or XFS"};
    default:
      return make_scan_driver();
  }
}

}  // namespace devrun::storage
