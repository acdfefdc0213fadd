#include "controller/storage/btrfs.h"

#include <btrfsutil.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/btrfs.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/vfs.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "common/runtime/fd.h"
#include "common/runtime/file.h"

namespace devrun::storage::btrfs {

namespace {

Error failed(std::string_view doing, const std::string& name) {
  return errno_error(fmt::format("{} {}", doing, name), errno);
}

template <size_t N>
bool copy_name(const std::string& name, char (&to)[N]) {
  if (name.size() >= N) return false;
  std::memcpy(to, name.c_str(), name.size() + 1);
  return true;
}

Uuid to_uuid(const __u8* raw) {
  Uuid out;
  std::copy_n(raw, out.size(), out.begin());
  return out;
}

Result<std::string> path_in_file_system(int fd, uint64_t id) {
  char* path = nullptr;
  const btrfs_util_error error = btrfs_util_subvolume_path_fd(fd, id, &path);
  if (error != BTRFS_UTIL_OK) return failed("look up", fmt::format("subvolume {}", id));
  std::string out(path);
  ::free(path);
  return out;
}

}  // namespace

Result<bool> is_btrfs(const std::string& path) {
  struct statfs info {};
  if (::statfs(path.c_str(), &info) != 0) return failed("statfs", path);
  return info.f_type == BTRFS_SUPER_MAGIC;
}

Status create_subvolume(int parent, const std::string& name) {
  btrfs_ioctl_vol_args_v2 args{};
  if (!copy_name(name, args.name)) return errno_error("create subvolume", ENAMETOOLONG);
  if (::ioctl(parent, BTRFS_IOC_SUBVOL_CREATE_V2, &args) != 0) {
    return failed("create subvolume", name);
  }
  return ok();
}

namespace {
Status snapshot(int source, int parent, const std::string& name, uint64_t flags) {
  btrfs_ioctl_vol_args_v2 args{};
  if (!copy_name(name, args.name)) return errno_error("take snapshot", ENAMETOOLONG);
  args.fd = source;
  args.flags = flags;
  if (::ioctl(parent, BTRFS_IOC_SNAP_CREATE_V2, &args) != 0) return failed("take snapshot", name);
  return ok();
}
}  // namespace

Status snapshot_read_only(int source, int parent, const std::string& name) {
  return snapshot(source, parent, name, BTRFS_SUBVOL_RDONLY);
}

Status snapshot_writable(int source, int parent, const std::string& name) {
  return snapshot(source, parent, name, 0);
}

Status delete_subvolume(int parent, const std::string& name) {
  const btrfs_util_error error =
      btrfs_util_delete_subvolume_fd(parent, name.c_str(), BTRFS_UTIL_DELETE_SUBVOLUME_RECURSIVE);
  if (error != BTRFS_UTIL_OK) return failed("delete subvolume", name);
  return ok();
}

Result<SubvolumeInfo> subvolume_info(int fd) {
  btrfs_ioctl_get_subvol_info_args args{};
  // Some kernels return 1 with the answer.
  if (::ioctl(fd, BTRFS_IOC_GET_SUBVOL_INFO, &args) < 0) return failed("look up", "subvolume");
  const int64_t made_ns =
      static_cast<int64_t>(args.otime.sec) * 1'000'000'000 + static_cast<int64_t>(args.otime.nsec);
  return SubvolumeInfo{args.treeid, to_uuid(args.uuid), to_uuid(args.parent_uuid), args.otransid,
                       made_ns};
}

Status commit(int fd) {
  __u64 transaction = 0;
  if (::ioctl(fd, BTRFS_IOC_START_SYNC, &transaction) != 0) return failed("commit", "store");
  if (::ioctl(fd, BTRFS_IOC_WAIT_SYNC, &transaction) != 0) return failed("commit", "store");
  return ok();
}

Result<bool> bound_dirty_data(int fd, uint64_t bytes) {
  btrfs_ioctl_fs_info_args info{};
  if (::ioctl(fd, BTRFS_IOC_FS_INFO, &info) != 0) return failed("look up", "file system");
  std::string uuid;
  for (size_t i = 0; i < sizeof info.fsid; ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) uuid += '-';
    fmt::format_to(std::back_inserter(uuid), "{:02x}", info.fsid[i]);
  }
  const std::string folder = fmt::format("/sys/fs/btrfs/{}/bdi", uuid);
  for (const auto& [name, value] : {std::pair<const char*, uint64_t>{"max_bytes", bytes},
                                    std::pair<const char*, uint64_t>{"strict_limit", 1}}) {
    const Result<UniqueFd> file = open_file(fmt::format("{}/{}", folder, name), O_WRONLY);
    if (!file || !write_all(file->get(), fmt::format("{}\n", value))) return false;
  }
  return true;
}

Result<std::vector<std::string>> nested_subvolumes(int fd) {
  std::vector<std::string> out;
  btrfs_ioctl_get_subvol_rootref_args args{};
  std::string prefix;
  for (bool more = true; more;) {
    const int result = ::ioctl(fd, BTRFS_IOC_GET_SUBVOL_ROOTREF, &args);
    if (result < 0 && errno != EOVERFLOW) return failed("list", "nested subvolumes");
    more = result < 0;
    if (args.num_items > 0 && prefix.empty()) prefix = TRY(path_in_file_system(fd, 0)) + "/";
    for (unsigned i = 0; i < args.num_items; ++i) {
      const Result<std::string> path = path_in_file_system(fd, args.rootref[i].treeid);
      if (!path && path.error().code == Code::kNotFound) continue;  // deleted meanwhile
      if (!path) return path.error();
      out.push_back(path->starts_with(prefix) ? path->substr(prefix.size()) : *path);
    }
  }
  return out;
}

}  // namespace devrun::storage::btrfs
