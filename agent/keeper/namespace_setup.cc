#include "agent/keeper/namespace_setup.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <cerrno>

#include "common/runtime/file.h"

namespace devrun::keeper {

namespace {

constexpr const char* kUnifiedCgroup = "/sys/fs/cgroup/unified";
constexpr size_t kFuseReadBytesMax = 1 << 20;

bool is_cgroup2(const char* path) {
  struct statfs fs {};
  return ::statfs(path, &fs) == 0 && fs.f_type == CGROUP2_SUPER_MAGIC;
}

}  // namespace

Status enter_new_namespace() {
  if (::unshare(CLONE_NEWNS) != 0) return errno_error("make a mount namespace", errno);
  // A slave of what is shared; what is private stays so.
  if (::mount("none", "/", nullptr, MS_REC | MS_SLAVE, nullptr) != 0) {
    return errno_error("make / a slave", errno);
  }
  if (is_cgroup2(kUnifiedCgroup) && ::umount2(kUnifiedCgroup, MNT_DETACH) != 0) {
    return errno_error(fmt::format("unmount {}", kUnifiedCgroup), errno);
  }
  return ok();
}

Status hide(const std::string& folder) {
  struct stat st {};
  if (::stat(folder.c_str(), &st) != 0) {
    if (errno == ENOENT) return ok();
    return errno_error(fmt::format("hide {}", folder), errno);
  }
  constexpr unsigned long kFlags = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC;
  if (::mount("devrun-hidden", folder.c_str(), "tmpfs", kFlags, "size=4k,mode=0555") != 0) {
    return errno_error(fmt::format("hide {}", folder), errno);
  }
  return ok();
}

Result<UniqueFd> mount_fuse(const std::string& folder, const std::string& name) {
  TRY(make_folders(folder));
  Result<UniqueFd> fd = open_file("/dev/fuse", O_RDWR);
  if (!fd) {
    Error error = std::move(fd).error();
    error.hint = "modprobe fuse";
    return error;
  }
  const std::string options = fmt::format(
      "fd={},rootmode=40000,user_id=0,group_id=0,allow_other,default_permissions,max_read={}",
      fd->get(), kFuseReadBytesMax);
  constexpr unsigned long kFlags = MS_RDONLY | MS_NODEV;
  if (::mount(name.c_str(), folder.c_str(), "fuse.devrun", kFlags, options.c_str()) != 0) {
    return errno_error(fmt::format("mount FUSE at {}", folder), errno);
  }
  return fd;
}

}  // namespace devrun::keeper
