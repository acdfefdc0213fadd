// The caller's folder must be one that the job has; crun would make it, or fail late. Looked up with the tree as root, so
// that links in it cannot lead out.
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>

#include "agent/sandbox/own_places.h"
#include "agent/sandbox/setup.h"
#include "common/runtime/file.h"

namespace devrun::sandbox {

namespace {

constexpr std::array kStartEmpty = {"/tmp", "/var/tmp", "/run"};
constexpr std::array kTheKernels = {"/proc", "/sys", "/dev"};

Error no_folder(const std::string& cwd, std::string_view why) {
  return {Code::kInvalid, fmt::format("the job would not have the folder {}: {}", cwd, why),
          "choose another with -C DIR"};
}

// Where `fd` lies within the tree.
std::string inner_path(int fd, const std::string& rootfs) {
  char target[PATH_MAX];
  const std::string link = fmt::format("/proc/self/fd/{}", fd);
  const ssize_t n = ::readlink(link.c_str(), target, sizeof target);
  const std::string_view path(target, n > 0 ? static_cast<size_t>(n) : 0);
  if (!path.starts_with(rootfs)) return {};
  return std::string(path.substr(rootfs.size()));
}

Status run(Setup& setup) {
  const std::string& cwd = setup.spec.program.cwd;
  if (cwd.empty() || cwd.front() != '/') return no_folder(cwd, "it is not an absolute path");
  for (const std::string_view folder : kTheKernels) {
    if (is_below(cwd, folder)) return ok();  // its init will see
  }
  // Not of the tree: its init, which is who the job is, will see.
  for (const SiteMount& mount : setup.ground.options.site_mounts) {
    if (is_below(cwd, mount.target)) return ok();
  }
  const UniqueFd root = TRY(open_file(setup.places.rootfs(), O_PATH | O_DIRECTORY));
  open_how how{};
  how.flags = O_PATH | O_DIRECTORY | O_CLOEXEC;
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  const UniqueFd fd(
      static_cast<int>(::syscall(SYS_openat2, root.get(), cwd.c_str(), &how, sizeof how)));
  if (!fd) {
    for (const std::string_view folder : kStartEmpty) {
      if (cwd == folder) return ok();  // made by the set-up
    }
    if (errno == ENOTDIR) return no_folder(cwd, "it is not a folder");
    if (errno == ENOENT) return no_folder(cwd, "it is not in the volume");
    return errno_error("look at " + cwd, errno);
  }
  const std::string found = inner_path(fd.get(), setup.places.rootfs());
  for (const std::string_view folder : kStartEmpty) {
    if (found != folder && is_below(found, folder))
      return no_folder(cwd, fmt::format("{} starts empty", folder));
  }
  return ok();
}

}  // namespace

Step step_folder() {
  return {"folder", run, [](const Ground&, const Places&) { return ok(); }, true};
}

}  // namespace devrun::sandbox
