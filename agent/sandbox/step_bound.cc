// What an attempt has from elsewhere, but for its node paths: live paths (`--live PATH`: that folder
// of the live tree itself, or another volume's), bound ones (another path of its own tree), the mounts
// that the node's configuration names, and $DEVRUN_SHARED. All are looked up below the tree's root, so
// that no link in it leads out. Dev containers have the node's mounts alone: they are live themselves.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "agent/sandbox/lines.h"
#include "agent/sandbox/live_tree.h"
#include "agent/sandbox/own_places.h"
#include "agent/sandbox/setup.h"
#include "agent/sandbox/site_mounts.h"
#include "common/runtime/file.h"

namespace devrun::sandbox {

namespace {

bool is_of_site(const Options& options, const std::string& path) {
  return std::ranges::any_of(options.site_mounts,
                             [&](const SiteMount& mount) { return is_below(path, mount.target); });
}

Status put_at(Setup& setup, const UniqueFd& mount, const std::string& path, bool folder) {
  const std::string target = TRY(make_bound(setup.places, folder));
  if (::move_mount(mount.get(), "", AT_FDCWD, target.c_str(), MOVE_MOUNT_F_EMPTY_PATH) != 0) {
    return errno_error("mount what is to be at " + path, errno);
  }
  setup.bound.push_back({path, target, true, false});
  return ok();
}

Status bind_live(Setup& setup, const PathRule& rule) {
  const Options& options = setup.ground.options;
  const bool is_own = rule.volume.empty();
  const std::string& volume = is_own ? setup.spec.root.volume : rule.volume;
  const std::string source = !rule.source.empty() ? rule.source : is_own ? rule.path : "/";
  if (options.live_folder.empty()) return no_live_volumes(options, rule.path);
  return put_at(setup, TRY(clone_live(options, volume, source)), rule.path, true);
}

// Of the attempt's own tree, as it is mounted already.
Status bind_own(Setup& setup, const PathRule& rule) {
  const UniqueFd root = TRY(open_file(setup.places.rootfs(), O_PATH | O_DIRECTORY));
  const UniqueFd source = open_any_in_tree(root.get(), rule.source);
  struct stat st {};
  if (!source || ::fstat(source.get(), &st) != 0) {
    return Error{Code::kInvalid,
                 fmt::format("{} is to be at {}, too, and is not in the job's file system",
                             rule.source, rule.path),
                 "devrun snapshot diff, to see what the snapshot has"};
  }
  const UniqueFd mount(
      ::open_tree(source.get(), "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC));
  if (!mount) return errno_error("take " + rule.source + " of the job's tree", errno);
  return put_at(setup, mount, rule.path, S_ISDIR(st.st_mode));
}

// A job's root is the machine's where it makes setuid files: nobody of the machine may come by. Earlier versions made it 0711; any
// other mode is the administrator's.
Status close_shared(const std::string& folder) {
  struct stat st {};
  if (::stat(folder.c_str(), &st) != 0 || (st.st_mode & 07777) != 0711) return ok();
  if (::chmod(folder.c_str(), 0700) == 0) return ok();
  return errno_error("close " + folder, errno);
}

// Made by whichever of the job's ranks and attempts comes first.
Status make_shared(Setup& setup) {
  const Caller& caller = setup.spec.program.caller;
  const std::string path =
      fmt::format("{}/{}", setup.ground.options.shared_folder, setup.spec.key.job);
  TRY(make_folders(setup.ground.options.shared_folder, 0700));
  TRY(close_shared(setup.ground.options.shared_folder));
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) {
    return errno_error("make the job's shared folder " + path, errno);
  }
  if (::lchown(path.c_str(), caller.uid, caller.gid) != 0) {
    return errno_error("give the job's shared folder its owner", errno);
  }
  // The place in what becomes /run/devrun, which is read-only inside.
  const std::vector<std::string> run_folder = TRY(read_lines(setup.places.run_folder()));
  if (run_folder.empty()) return ok();
  TRY(make_folders(run_folder.front() + "/shared"));
  setup.bound.push_back({std::string(kSharedInContainer), path, true, false});
  return ok();
}

Status run(Setup& setup) {
  const Options& options = setup.ground.options;
  TRY(add_site_mounts(setup));
  if (setup.spec.root.live) return ok();
  for (const PathRule& rule : setup.spec.paths) {
    const bool is_live = rule.kind == PathKind::kLive;
    if ((!is_live && rule.kind != PathKind::kBound) || !rule.name.empty()) continue;
    if (is_of_site(options, rule.path)) continue;
    TRY(is_live ? bind_live(setup, rule) : bind_own(setup, rule));
  }
  if (!options.shared_folder.empty()) TRY(make_shared(setup));
  return ok();
}

Status undo(const Ground&, const Places& places) {
  for (const std::string& run_folder : TRY(read_lines(places.run_folder()))) {
    const std::string place = run_folder + "/shared";
    if (::rmdir(place.c_str()) != 0 && errno != ENOENT)
      return errno_error("remove " + place, errno);
  }
  return remove_bound(places);
}

}  // namespace

Step step_bound() {
  return {"bound folders", run, undo, true};
}

}  // namespace devrun::sandbox
