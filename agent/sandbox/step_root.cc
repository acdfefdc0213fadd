// bundle/rootfs: an overlay of the attempt's tree and an upper on local disk, or, for a dev container, the live tree
// itself. Never with device nodes.
//
// With `index`, the names of a file with several (hard links) stay one file when the job writes through any of them.
// devrun-fs makes that possible: such names are one node of it, and it finds nodes by number (FUSE export support).
//
// The overlay is `volatile`: without it each fsync in the job waits for the disk, and the unmount syncs the whole file
// system of the node. An upper need not survive a power cut, since the attempt does not.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <cerrno>
#include <chrono>
#include <thread>

#include "agent/sandbox/lines.h"
#include "agent/sandbox/live_tree.h"
#include "agent/sandbox/overlay_options.h"
#include "agent/sandbox/remove_tree.h"
#include "agent/sandbox/setup.h"
#include "common/runtime/file.h"

namespace devrun::sandbox {

namespace {

Status mount_live(const Setup& setup) {
  const Options& options = setup.ground.options;
  if (options.live_folder.empty()) {
    return Error{Code::kInvalid, fmt::format("node {} has no live volumes", options.node),
                 "dev containers run where live volumes are: devrun nodes"};
  }
  const std::string& volume = setup.spec.root.volume;
  const std::string target = setup.places.rootfs();
  TRY(write_lines(setup.places.lower(), {options.live_folder + "/" + volume + "/live"}));
  TRY(write_lines(setup.places.live_volume(), {volume}));
  const UniqueFd tree = TRY(clone_live(options, volume, "/"));
  if (::move_mount(tree.get(), "", AT_FDCWD, target.c_str(), MOVE_MOUNT_F_EMPTY_PATH) != 0) {
    return errno_error("mount the live tree of volume " + volume, errno);
  }
  if (::mount(nullptr, target.c_str(), nullptr, MS_BIND | MS_REMOUNT | MS_NODEV, nullptr) != 0) {
    return errno_error("remount the live tree without devices", errno);
  }
  return ok();
}

std::string joined(const std::vector<std::string>& layers) {
  std::string out;
  for (const std::string& layer : layers) out += (out.empty() ? "" : ":") + overlay_path(layer);
  return out;
}

// Before kernel 5.10 there is no volatile; an upper without file handles takes no index.
// With inode numbers of the overlay's own making, each listing would look up every name in it. A folder that is renamed by a
// redirect would bring along what nobody has asked for: where all that is read is to be seen, `mv` copies.
bool mount_with(const Setup& setup, const std::string& lower, bool watched = false) {
  const std::string options =
      fmt::format("lowerdir={},upperdir={},workdir={},redirect_dir={},metacopy=off,xino={}", lower,
                  overlay_path(setup.places.upper()), overlay_path(setup.places.work()),
                  watched ? "off" : "on", watched ? "off" : "auto");
  for (const char* more : {",index=on,volatile", ",index=off,volatile", ",index=off"}) {
    if (::mount("devrun", setup.places.rootfs().c_str(), "overlay", MS_NODEV,
                (options + more).c_str()) == 0) {
      return true;
    }
    if (errno != EINVAL) break;
  }
  return false;
}

// A store that is away is waited for, as by the readers of jobs that run: nothing has begun that could be lost, and the
// job's place is kept.
Result<PreparedTree> prepare_tree(const Setup& setup) {
  constexpr std::chrono::milliseconds kAgainAfter{500};
  const StartWatch& watch = setup.watch;
  std::string said;
  const auto say = [&](const std::string& why) {
    if (watch.waits && why != said) watch.waits(said = why);
  };
  for (;;) {
    Result<PreparedTree> tree = setup.ground.parts.prepare_tree(setup.spec, watch.given_up);
    if (tree || tree.error().code != Code::kUnavailable) {
      say("");
      return tree;
    }
    if (watch.given_up && watch.given_up()) {
      return Error{Code::kCancelled, "given up: " + tree.error().message, {}};
    }
    say("waits for the store: " + tree.error().message);
    std::this_thread::sleep_for(kAgainAfter);
  }
}

// What is written down and looked at is the whole tree: the layers are one way to show it.
Status mount_overlay(const Setup& setup) {
  const PreparedTree tree = TRY(prepare_tree(setup));
  const std::string& lower = tree.path;
  TRY(write_lines(setup.places.lower(), {lower}));
  TRY(make_folders(setup.places.upper()));
  TRY(make_folders(setup.places.work()));
  // The upper's root is the root folder of the merged tree: it looks like the tree's.
  struct stat st {};
  if (::stat(lower.c_str(), &st) != 0) return errno_error("look at " + lower, errno);
  if (::chown(setup.places.upper().c_str(), st.st_uid, st.st_gid) != 0 ||
      ::chmod(setup.places.upper().c_str(), st.st_mode & 07777) != 0) {
    return errno_error("give the upper its owner", errno);
  }
  if (tree.layers.size() > 1 && mount_with(setup, joined(tree.layers))) return ok();
  if (mount_with(setup, overlay_path(lower), tree.watched)) return ok();
  return errno_error("mount the overlay of the job's file system", errno);
}

Status run(Setup& setup) {
  TRY(make_folders(setup.places.rootfs()));
  TRY(setup.spec.root.live ? mount_live(setup) : mount_overlay(setup));
  setup.timeline.mounted = wall_clock();
  return ok();
}

Status undo(const Ground&, const Places& places) {
  const std::string target = places.rootfs();
  while (is_mount_point(target)) {
    // Busy only if somebody else looks into it; what runs in the container is dead by now.
    if (::umount2(target.c_str(), UMOUNT_NOFOLLOW) != 0 &&
        ::umount2(target.c_str(), UMOUNT_NOFOLLOW | MNT_DETACH) != 0) {
      return errno_error("unmount " + target, errno);
    }
  }
  return ok();
}

}  // namespace

Step step_root() {
  return {"root", run, undo};
}

}  // namespace devrun::sandbox
