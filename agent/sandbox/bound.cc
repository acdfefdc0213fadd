#include "agent/sandbox/bound.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/openat2.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "agent/sandbox/lines.h"
#include "agent/sandbox/remove_tree.h"
#include "common/runtime/file.h"

namespace devrun::sandbox {

namespace {
constexpr int kBoundMax = 256;
}

UniqueFd open_in_tree(int root, const std::string& path) {
  open_how how{};
  how.flags = O_PATH | O_DIRECTORY | O_CLOEXEC;
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  return UniqueFd(static_cast<int>(::syscall(SYS_openat2, root, path.c_str(), &how, sizeof how)));
}

UniqueFd open_any_in_tree(int root, const std::string& path) {
  open_how how{};
  how.flags = O_PATH | O_CLOEXEC;
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  return UniqueFd(static_cast<int>(::syscall(SYS_openat2, root, path.c_str(), &how, sizeof how)));
}

Result<std::string> make_bound(const Places& places, bool folder) {
  TRY(make_folders(places.bound(), 0700));
  for (int n = 0; n < kBoundMax; ++n) {
    const std::string path = fmt::format("{}/{}", places.bound(), n);
    if (folder && ::mkdir(path.c_str(), 0700) == 0) return path;
    if (!folder) {
      const UniqueFd made(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
      if (made) return path;
    }
    if (errno != EEXIST) return errno_error("make " + path, errno);
  }
  return Error{Code::kExhausted,
               fmt::format("more than {} folders from elsewhere in one job", kBoundMax),
               "devrun volume paths"};
}

namespace {

// What its process, or the file system behind that, has not answered is answered now, or whoever waits for it could not end.
// Without asking it anything: not whether it is mounted either.
Status unmount_served(const Places& places) {
  for (const std::string& place : TRY(read_lines(places.served()))) {
    const bool gone = ::umount2(place.c_str(), UMOUNT_NOFOLLOW) == 0 || errno != EBUSY;
    if (gone) continue;
    ::umount2(place.c_str(), UMOUNT_NOFOLLOW | MNT_FORCE);
    ::umount2(place.c_str(), UMOUNT_NOFOLLOW | MNT_DETACH);
  }
  if (::unlink(places.served().c_str()) == 0 || errno == ENOENT) return ok();
  return errno_error("remove " + places.served(), errno);
}

}  // namespace

bool abort_served(const Places& places) {
  const auto served = read_lines(places.served());
  if (!served || served->empty()) return false;
  for (const std::string& place : *served) {
    // Whether it is busy or not, the file system behind it is told first that it is to give up.
    ::umount2(place.c_str(), UMOUNT_NOFOLLOW | MNT_FORCE);
  }
  return true;
}

Status remove_bound(const Places& places) {
  TRY(unmount_served(places));
  std::error_code failed;
  for (const auto& entry : std::filesystem::directory_iterator(places.bound(), failed)) {
    const std::string path = entry.path().string();
    while (is_mount_point(path)) {
      if (::umount2(path.c_str(), UMOUNT_NOFOLLOW) != 0 &&
          ::umount2(path.c_str(), UMOUNT_NOFOLLOW | MNT_DETACH) != 0) {
        return errno_error("unmount " + path, errno);
      }
    }
    if (::remove(path.c_str()) != 0) return errno_error("remove " + path, errno);
  }
  if (::rmdir(places.bound().c_str()) != 0 && errno != ENOENT) {
    return errno_error("remove " + places.bound(), errno);
  }
  return ok();
}

std::vector<std::string> places_of_bound(const AttemptSpec& spec,
                                         const std::vector<std::string>& of_site) {
  std::vector<std::string> out = of_site;
  for (const PathRule& rule : spec.paths) {
    const bool is_bound = rule.kind == PathKind::kNode || rule.kind == PathKind::kLive ||
                          rule.kind == PathKind::kBound;
    if (is_bound && rule.name.empty()) out.push_back(rule.path);
  }
  return out;
}

void prune_places(const std::string& upper, const std::vector<std::string>& places) {
  const Result<UniqueFd> root = open_file(upper, O_PATH | O_DIRECTORY);
  if (!root) return;
  for (const std::string& place : places) {
    // No link that the job has made is followed.
    for (std::string path = place; path.size() > 1; path.resize(path.rfind('/'))) {
      const size_t slash = path.rfind('/');
      const std::string parent_path = slash == 0 ? "." : path.substr(1, slash - 1);
      open_how how{};
      how.flags = O_PATH | O_DIRECTORY | O_CLOEXEC;
      how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS;
      const UniqueFd parent(static_cast<int>(
          ::syscall(SYS_openat2, root->get(), parent_path.c_str(), &how, sizeof how)));
      if (!parent) break;
      const std::string name = path.substr(slash + 1);
      struct stat st {};
      const bool is_empty_file =
          path == place && ::fstatat(parent.get(), name.c_str(), &st, AT_SYMLINK_NOFOLLOW) == 0 &&
          S_ISREG(st.st_mode) && st.st_size == 0;
      if (is_empty_file) {
        if (::unlinkat(parent.get(), name.c_str(), 0) != 0) break;
        continue;
      }
      const UniqueFd folder(
          ::openat(parent.get(), name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
      // An opaque one says that what the snapshot has there is gone.
      if (!folder || ::fgetxattr(folder.get(), "trusted.overlay.opaque", nullptr, 0) >= 0) break;
      if (::unlinkat(parent.get(), name.c_str(), AT_REMOVEDIR) != 0) break;
    }
  }
}

}  // namespace devrun::sandbox
