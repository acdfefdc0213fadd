#include "agent/sandbox/remove_tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <vector>

#include "common/runtime/fd.h"

namespace devrun::sandbox {

namespace {

constexpr size_t kDepthMax = 4096;

struct CloseDir {
  void operator()(DIR* dir) const { ::closedir(dir); }
};

struct Level {
  std::unique_ptr<DIR, CloseDir> dir;
  std::string name;
};

bool mount_root(int folder, const char* name) {
  struct statx st {};
  return ::statx(folder, name, AT_SYMLINK_NOFOLLOW | (*name == '\0' ? AT_EMPTY_PATH : 0), 0, &st) ==
             0 &&
         (st.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
}

Result<Level> enter(int parent, const char* name) {
  UniqueFd fd(::openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd) return errno_error(fmt::format("open {}", name), errno);
  if (mount_root(fd.get(), "")) {
    return Error{Code::kConflict, fmt::format("{} is a mount point: not removed", name), {}};
  }
  Level level{std::unique_ptr<DIR, CloseDir>(::fdopendir(fd.get())), name};
  if (!level.dir) return errno_error(fmt::format("open {}", name), errno);
  fd.release();
  return level;
}

}  // namespace

bool is_mount_point(const std::string& path) {
  return mount_root(AT_FDCWD, path.c_str());
}

Status remove_tree(const std::string& path) {
  if (::unlink(path.c_str()) == 0 || errno == ENOENT) return ok();
  if (errno != EISDIR && errno != EPERM) return errno_error("remove " + path, errno);
  std::vector<Level> levels;
  levels.push_back(TRY(enter(AT_FDCWD, path.c_str())));
  while (!levels.empty()) {
    DIR* dir = levels.back().dir.get();
    const int fd = ::dirfd(dir);
    errno = 0;
    const dirent* entry = ::readdir(dir);
    if (entry == nullptr) {
      if (errno != 0) return errno_error("read " + levels.back().name, errno);
      const std::string name = levels.back().name;
      levels.pop_back();
      const int parent = levels.empty() ? AT_FDCWD : ::dirfd(levels.back().dir.get());
      if (::unlinkat(parent, name.c_str(), AT_REMOVEDIR) != 0 && errno != ENOENT) {
        return errno_error(fmt::format("rmdir {} (in {})", name, path), errno);
      }
      continue;
    }
    if (std::strcmp(entry->d_name, ".") == 0 || std::strcmp(entry->d_name, "..") == 0) continue;
    if (entry->d_type != DT_DIR) {
      if (::unlinkat(fd, entry->d_name, 0) == 0 || errno == ENOENT) continue;
      if (errno != EISDIR) {
        return errno_error(fmt::format("remove {} (in {})", entry->d_name, path), errno);
      }
    }
    if (levels.size() >= kDepthMax) {
      return Error{Code::kExhausted, path + " is nested too deeply to be removed", {}};
    }
    levels.push_back(TRY(enter(fd, entry->d_name)));
  }
  return ok();
}

}  // namespace devrun::sandbox
