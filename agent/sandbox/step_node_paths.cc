// Node paths (node_paths.h): an overlay for each, of an upper of the attempt's own over what the
// volume's jobs have kept here over what the snapshot has there. The undo takes the upper into what
// is kept; it runs when the attempt is released, and only then others see what this one wrote.
//
// Without redirects and the like: what lies below an upper may then be another snapshot's the next
// time, which overlay allows. Renaming a folder of the snapshot there copies it, as between disks.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "agent/sandbox/lines.h"
#include "agent/sandbox/node_paths.h"
#include "agent/sandbox/overlay_options.h"
#include "agent/sandbox/remove_tree.h"
#include "agent/sandbox/setup.h"
#include "common/base/log.h"
#include "common/runtime/file.h"

namespace devrun::sandbox {

namespace {

Status make_folder_on_disk(const Setup& setup, const std::string& path) {
  if (setup.ground.options.scratch_bytes == 0) return make_folders(path, 0755);
  // With a limit to what the attempt may write, within that.
  const std::string name = path.substr(path.rfind('/') + 1);
  TRY(make_folders(setup.places.disk() + "/" + name));
  if (::symlink(("disk/" + name).c_str(), path.c_str()) != 0) {
    return errno_error("make " + path, errno);
  }
  return ok();
}

// The folder looks as the snapshot's does, or is the caller's.
Status give_looks(const Setup& setup, const std::string& upper, int in_tree) {
  const Caller& caller = setup.spec.program.caller;
  struct stat st {};
  st.st_uid = caller.uid;
  st.st_gid = caller.gid;
  st.st_mode = 0755;
  if (in_tree >= 0 && ::fstat(in_tree, &st) != 0) return errno_error("look at a folder", errno);
  if (::chown(upper.c_str(), st.st_uid, st.st_gid) != 0 ||
      ::chmod(upper.c_str(), st.st_mode & 07777) != 0) {
    return errno_error("give a folder its owner and mode", errno);
  }
  return ok();
}

struct Wanted {
  std::string path;
  std::string id;
  size_t n = 0;
};

Status mount_one(Setup& setup, const NodePaths& kept, const Wanted& wanted, int tree) {
  const Places& places = setup.places;
  const auto& [path, id, n] = wanted;
  TRY(kept.open(setup.spec, path));
  TRY(make_folder_on_disk(setup, places.node_upper(n)));
  TRY(make_folder_on_disk(setup, places.node_work(n)));
  const UniqueFd in_tree = open_in_tree(tree, path);
  TRY(give_looks(setup, places.node_upper(n), in_tree ? in_tree.get() : -1));
  std::string lower = overlay_path(kept.folder(id) + "/kept");
  if (in_tree) lower += fmt::format(":/proc/self/fd/{}", in_tree.get());
  const std::string options = fmt::format(
      "lowerdir={},upperdir={},workdir={},redirect_dir=off,metacopy=off,index=off,xino=auto", lower,
      overlay_path(places.node_upper(n)), overlay_path(places.node_work(n)));
  const std::string target = TRY(make_bound(places));
  // Before kernel 5.10 there is no volatile.
  for (const char* more : {",volatile", ""}) {
    if (::mount("devrun", target.c_str(), "overlay", MS_NODEV, (options + more).c_str()) == 0) {
      setup.bound.push_back({path, target, true, false});
      return ok();
    }
    if (errno != EINVAL) break;
  }
  return errno_error(fmt::format("mount what is kept of {}", path), errno);
}

Status run(Setup& setup) {
  if (setup.spec.root.live || setup.ground.options.node_paths_bytes == 0) return ok();
  std::vector<std::string> mounted;
  for (const BoundFolder& folder : setup.bound) mounted.push_back(folder.target);
  const std::vector<std::string> wanted = node_paths_of(setup.spec, mounted);
  if (wanted.empty()) return ok();
  const std::vector<std::string> lower = TRY(read_lines(setup.places.lower()));
  if (lower.empty()) return ok();
  const UniqueFd tree = TRY(open_file(lower.front(), O_PATH | O_DIRECTORY));
  const NodePaths kept(setup.ground.options.state_folder);
  std::vector<Wanted> all;
  std::vector<std::string> lines;
  for (size_t n = 0; n < wanted.size(); ++n) {
    // Where the home is not in the volume, nothing is made in its place.
    const std::string parent = wanted[n].substr(0, wanted[n].rfind('/'));
    if (!open_in_tree(tree.get(), parent.empty() ? "/" : parent)) continue;
    all.push_back({wanted[n], NodePaths::id_of(setup.spec, wanted[n]), n});
    lines.push_back(fmt::format("{} {}", all.back().id, n));
  }
  if (all.empty()) return ok();
  // First of all: nothing that has a line goes to make room, and the undo knows of a mount by its line.
  TRY(write_lines(setup.places.node_paths(), lines));
  for (const Wanted& one : all) TRY(mount_one(setup, kept, one, tree.get()));
  return ok();
}

struct Line {
  std::string id;
  size_t n = 0;
};
Line parse(const std::string& line) {
  const size_t space = line.find(' ');
  if (space == std::string::npos) return {};
  return {line.substr(0, space), std::strtoull(line.c_str() + space, nullptr, 10)};
}

std::vector<std::string> ids_in_use(const std::string& state_folder) {
  std::vector<std::string> out;
  std::error_code failed;
  for (const auto& entry :
       std::filesystem::directory_iterator(state_folder + "/attempts", failed)) {
    const auto lines = read_lines(entry.path().string() + "/node_paths");
    if (!lines) continue;
    for (const std::string& line : *lines) out.push_back(parse(line).id);
  }
  return out;
}

// Where the link leads: an upper may lie on the attempt's own disk.
std::string real(const std::string& path) {
  std::error_code failed;
  if (!std::filesystem::is_symlink(path, failed)) return path;
  const auto found = std::filesystem::canonical(path, failed);
  return failed ? path : found.string();
}

Status undo(const Ground& ground, const Places& places) {
  const std::vector<std::string> lines = TRY(read_lines(places.node_paths()));
  if (lines.empty()) return ok();
  TRY(remove_bound(places));
  const NodePaths kept(ground.options.state_folder);
  for (const std::string& text : lines) {
    const Line line = parse(text);
    if (line.id.empty()) continue;
    // A cache that cannot be kept is no reason to keep the attempt.
    const Status merged = kept.merge(line.id, real(places.node_upper(line.n)));
    if (!merged) log::warning("{}: what is kept here: {}", places.name, merged.error().message);
    for (const std::string& path : {places.node_upper(line.n), places.node_work(line.n)}) {
      TRY(remove_tree(real(path)));
      if (::unlink(path.c_str()) != 0 && errno != ENOENT) {
        return errno_error("remove " + path, errno);
      }
    }
  }
  TRY(remove_tree(places.node_paths()));
  return kept.evict(ground.options.node_paths_bytes,
                    [&] { return ids_in_use(ground.options.state_folder); });
}

}  // namespace

Step step_node_paths() {
  return {"node paths", run, undo};
}

}  // namespace devrun::sandbox
