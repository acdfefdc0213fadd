// A limit to what an attempt writes to its node's disk: an ext4 of that size in a file of its own, which holds the
// overlay's upper and the container's /tmp and /var/tmp. Full is ENOSPC, as on any disk, for this attempt alone.
//
// Why not quotas: project quotas need a mount option that a host's file system rarely has and a kernel built with them, and
// overlay writes with the rights of whoever mounted it, which a quota does not bind; btrfs counts per subvolume and
// late. A file system in a file works on every host. Its space is reserved when the attempt starts, so that what is promised is
// there; when the attempt has ended and wrote something, what is free in it goes back to the host.
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "agent/sandbox/remove_tree.h"
#include "agent/sandbox/setup.h"
#include "common/base/log.h"
#include "common/base/units.h"
#include "common/runtime/child.h"
#include "common/runtime/file.h"
#include "common/runtime/loop_device.h"

namespace devrun::sandbox {

namespace {

Status make_image(const Setup& setup) {
  const std::string path = setup.places.disk_image();
  const int64_t bytes = setup.ground.options.scratch_bytes;
  const UniqueFd image = TRY(open_file(path, O_RDWR | O_CREAT | O_EXCL, 0600));
  if (::fallocate(image.get(), 0, 0, bytes) != 0) {
    Error error = errno_error(
        fmt::format("reserve {} of disk space for what the job writes", format_size(bytes)), errno);
    error.hint = "another node; devrun nodes";
    return error;
  }
  // No journal: it need not survive a crash. No discard, which would give the reserved space back.
  TRY(run_checked({"mkfs.ext4", "-q", "-F", "-m", "0", "-O", "^has_journal", "-E",
                   "nodiscard,lazy_itable_init=1", path},
                  "apt-get install -y e2fsprogs"));
  std::string device;
  const UniqueFd loop = TRY(attach_loop(image.get(), device));
  TRY(make_folders(setup.places.disk()));
  if (::mount(device.c_str(), setup.places.disk().c_str(), "ext4", MS_NODEV | MS_NOATIME,
              nullptr) != 0) {
    return errno_error("mount " + path, errno);
  }
  return ok();
}

Status run(Setup& setup) {
  if (setup.ground.options.scratch_bytes == 0 || setup.spec.root.live) return ok();
  TRY(make_image(setup));
  for (const std::string& link :
       {setup.places.upper(), setup.places.work(), setup.places.tmp(), setup.places.var_tmp()}) {
    const std::string name = link.substr(link.rfind('/') + 1);
    TRY(make_folders(setup.places.disk() + "/" + name));
    if (::symlink(("disk/" + name).c_str(), link.c_str()) != 0) {
      return errno_error("make " + link, errno);
    }
  }
  return ok();
}

// What was written is kept for a while, without the space that it does not use.
void give_back_free_space(const Places& places) {
  const Result<UniqueFd> disk = open_file(places.disk(), O_RDONLY | O_DIRECTORY);
  fstrim_range all{0, UINT64_MAX, 0};
  if (disk && ::ioctl(disk->get(), FITRIM, &all) == 0) return;
  log::info("{}: its free space stays reserved", places.disk_image());
}

Status undo(const Ground&, const Places& places) {
  std::error_code failed;
  if (!std::filesystem::exists(places.disk_image(), failed)) return ok();
  for (const char* name : {"/work", "/tmp", "/var_tmp"}) TRY(remove_tree(places.disk() + name));
  const bool wrote = is_mount_point(places.disk()) &&
                     std::filesystem::exists(places.upper(), failed) &&
                     !std::filesystem::is_empty(places.upper(), failed);
  if (!wrote) return remove_scratch(places);
  give_back_free_space(places);
  return ok();
}

}  // namespace

Status remove_scratch(const Places& places) {
  const std::string disk = places.disk();
  while (is_mount_point(disk)) {
    if (::umount2(disk.c_str(), UMOUNT_NOFOLLOW) != 0 &&
        ::umount2(disk.c_str(), UMOUNT_NOFOLLOW | MNT_DETACH) != 0) {
      return errno_error("unmount " + disk, errno);
    }
  }
  TRY(remove_tree(disk));
  return remove_tree(places.disk_image());
}

Step step_scratch() {
  return {"scratch", run, undo};
}

}  // namespace devrun::sandbox
