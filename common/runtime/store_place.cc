#include "common/runtime/store_place.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>

#include "common/runtime/file.h"
#include "common/runtime/network_file_system.h"

namespace devrun {

namespace {

std::string_view kind_of(const struct statfs& info) {
  const std::string_view name = network_file_system_name(info.f_type);
  return name.empty() ? "its file system" : name;
}

Error cannot_hold_volumes(const std::string& folder, const struct statfs& info,
                          std::string_view lacks) {
  return {Code::kUnsupported,
          fmt::format("{} can be no store: {} has no {}, without which a volume could be written "
                      "over while somebody edits it",
                      folder, kind_of(info), lacks),
          "a disk of this machine, or of the filer a block device or an image with btrfs: "
          "docs/install.md, \"A filer\""};
}

bool is_lacking(int error) {
  return error == EOPNOTSUPP || error == EINVAL || error == ENOSYS || error == EISDIR;
}

// The errno, or 0.
int make_named(int folder, const char* name) {
  const UniqueFd file(::openat(folder, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (!file) return errno;
  const std::string link = fmt::format("/proc/self/fd/{}", file.get());
  ::unlinkat(folder, name, 0);  // of one who was killed here
  return ::linkat(AT_FDCWD, link.c_str(), folder, name, AT_SYMLINK_FOLLOW) == 0 ? 0 : errno;
}

int exchange(int folder, const char* one, const char* other) {
  return ::renameat2(folder, one, folder, other, RENAME_EXCHANGE) == 0 ? 0 : errno;
}

// What bringing results home stands on (home_writer.h): files that have no name before they are whole, and an exchange of two
// names. Network file systems have neither.
Status try_names(const std::string& folder, const struct statfs& info) {
  constexpr const char* kOne = ".devrun-probe-1";
  constexpr const char* kOther = ".devrun-probe-2";
  const UniqueFd at = TRY(open_file(folder, O_RDONLY | O_DIRECTORY));
  int failed = make_named(at.get(), kOne);
  if (failed == 0) failed = make_named(at.get(), kOther);
  std::string_view what = "files without a name";
  if (failed == 0) {
    failed = exchange(at.get(), kOne, kOther);
    what = "exchange of two names";
  }
  ::unlinkat(at.get(), kOne, 0);
  ::unlinkat(at.get(), kOther, 0);
  if (failed == 0) return ok();
  if (is_lacking(failed)) return cannot_hold_volumes(folder, info, what);
  return errno_error(fmt::format("try {} in the store {}", what, folder), failed);
}

Result<struct statfs> kind_of_place(const std::string& folder) {
  struct statfs info {};
  if (::statfs(folder.c_str(), &info) != 0) {
    return errno_error(fmt::format("statfs {}", folder), errno);
  }
  if (info.f_type != TMPFS_MAGIC && info.f_type != RAMFS_MAGIC) return info;
  return Error{Code::kUnsupported,
               fmt::format("{} is in memory, and volumes must survive power loss", folder),
               "put the store on a disk, best on btrfs or XFS"};
}

}  // namespace

Status try_store_place(const std::string& folder) {
  const struct statfs info = TRY(kind_of_place(folder));
  return info.f_type == BTRFS_SUPER_MAGIC ? ok() : try_names(folder, info);
}

Status check_store_place(const std::string& folder) {
  std::error_code failed;
  if (std::filesystem::exists(folder, failed)) {
    return ::access(folder.c_str(), W_OK) == 0 ? try_store_place(folder) : ok();
  }
  std::filesystem::path above = folder;
  while (above.has_relative_path() && !std::filesystem::exists(above, failed)) {
    above = above.parent_path();
  }
  const struct statfs info = TRY(kind_of_place(above.string()));
  if (network_file_system_name(info.f_type).empty()) return ok();
  return cannot_hold_volumes(folder, info, "files without a name");
}

}  // namespace devrun
