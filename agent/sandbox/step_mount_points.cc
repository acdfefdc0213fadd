// A live tree may lack the places over which the container mounts (debootstrap makes no /etc/hosts). They are made here,
// below the tree's root whatever its links say, noted before, and taken away at the end if they are still empty. On an
// overlay crun makes them itself, and written() knows them.
// Surprise: who removes a place over which another container has mounted, on whatever host, takes that mount away. So
// this is done only while no other can have the tree: before the end is told, after which the next one begins.
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "agent/sandbox/lines.h"
#include "agent/sandbox/live_tree.h"
#include "agent/sandbox/names.h"
#include "agent/sandbox/setup.h"
#include "common/runtime/file.h"

namespace devrun::sandbox {

namespace {

int open_below(int root, std::string_view path, uint64_t flags) {
  open_how how{};
  how.flags = flags | O_CLOEXEC;
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  const std::string text(path);
  return static_cast<int>(::syscall(SYS_openat2, root, text.c_str(), &how, sizeof how));
}

std::pair<std::string, std::string> split(std::string_view path) {
  const size_t slash = path.rfind('/');
  return {std::string(slash == 0 ? "/" : path.substr(0, slash)),
          std::string(path.substr(slash + 1))};
}

// Makes it unless something is there, a dangling link included; where its folder is missing, that is left so.
Status make_missing(int root, std::string_view path, bool folder, std::vector<std::string>& made,
                    const std::string& note) {
  const UniqueFd there(open_below(root, path, O_PATH | O_NOFOLLOW));
  if (there || errno != ENOENT) return ok();
  const auto [parent_path, name] = split(path);
  const UniqueFd parent(open_below(root, parent_path, O_PATH | O_DIRECTORY));
  if (!parent) return ok();
  made.emplace_back(path);
  TRY(write_lines(note, made));
  if (folder) {
    if (::mkdirat(parent.get(), name.c_str(), 0755) != 0 && errno != EEXIST) {
      return errno_error("make " + std::string(path), errno);
    }
    return ok();
  }
  const UniqueFd file(::openat(parent.get(), name.c_str(),
                               O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644));
  if (!file && errno != EEXIST) return errno_error("make " + std::string(path), errno);
  return ok();
}

Status run(Setup& setup) {
  if (!setup.spec.root.live) return ok();
  const UniqueFd root = TRY(open_file(setup.places.rootfs(), O_PATH | O_DIRECTORY));
  std::vector<std::string> made;
  for (const std::string_view path : kMountedFolders) {
    TRY(make_missing(root.get(), path, true, made, setup.places.made()));
  }
  for (const std::string_view path : kMountedFiles) {
    TRY(make_missing(root.get(), path, false, made, setup.places.made()));
  }
  // With the folders on the way, from the top.
  for (const SiteMount& mount : setup.ground.options.site_mounts) {
    for (size_t end = mount.target.find('/', 1); end != std::string::npos;
         end = mount.target.find('/', end + 1)) {
      TRY(make_missing(root.get(), mount.target.substr(0, end), true, made, setup.places.made()));
    }
    TRY(make_missing(root.get(), mount.target, true, made, setup.places.made()));
  }
  if (setup.ground.options.devrun_program.empty()) return ok();
  return make_missing(root.get(), kDevrunInTree, false, made, setup.places.made());
}

}  // namespace

// Goes to the tree itself, which need not be mounted here any more. What has content by now is somebody's.
Status clear_mount_points(const Ground& ground, const Places& places) {
  const std::vector<std::string> made = TRY(read_lines(places.made()));
  const std::vector<std::string> tree = TRY(read_lines(places.lower()));
  const std::vector<std::string> volume = TRY(read_lines(places.live_volume()));
  if (made.empty() || tree.empty()) return ok();
  // One that an agent before this one has made knows the path alone.
  const Result<UniqueFd> root = volume.empty() ? open_file(tree.front(), O_PATH | O_DIRECTORY)
                                               : clone_live(ground.options, volume.front(), "/");
  if (!root) return ok();
  for (auto path = made.rbegin(); path != made.rend(); ++path) {
    const auto [parent_path, name] = split(*path);
    const UniqueFd parent(open_below(root->get(), parent_path, O_PATH | O_DIRECTORY));
    struct stat st {};
    if (!parent || ::fstatat(parent.get(), name.c_str(), &st, AT_SYMLINK_NOFOLLOW) != 0) continue;
    if (S_ISDIR(st.st_mode)) {
      ::unlinkat(parent.get(), name.c_str(), AT_REMOVEDIR);  // fails if it is not empty, rightly
    } else if (S_ISREG(st.st_mode) && st.st_size == 0) {
      ::unlinkat(parent.get(), name.c_str(), 0);
    }
  }
  return ok();
}

Step step_mount_points() {
  return {
      .name = "mount points", .run = run, .undo = clear_mount_points, .only_before_its_end = true};
}

}  // namespace devrun::sandbox
