#include "controller/storage/driver.h"

#include <fmt/format.h>
#include <linux/magic.h>
#include <sys/vfs.h>

#include <cerrno>

#include "common/runtime/file.h"
#include "common/runtime/store_place.h"
#include "controller/storage/btrfs_driver.h"
#include "controller/storage/scan_driver.h"

namespace devrun::storage {

Result<std::unique_ptr<Driver>> Driver::of(const std::string& folder) {
  struct statfs info {};
  if (::statfs(folder.c_str(), &info) != 0) {
    return errno_error(fmt::format("statfs {}", folder), errno);
  }
  if (info.f_type == BTRFS_SUPER_MAGIC) return make_btrfs_driver(folder);
  TRY(try_store_place(folder));
  return make_scan_driver();
}

}  // namespace devrun::storage
