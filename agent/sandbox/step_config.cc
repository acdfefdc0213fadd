// bundle/config.json, and what has to be known of the tree for it.
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <filesystem>

#include "agent/sandbox/config.h"
#include "agent/sandbox/lines.h"
#include "agent/sandbox/names.h"
#include "agent/sandbox/rank_ssh.h"
#include "agent/sandbox/setup.h"
#include "common/runtime/file.h"

namespace devrun::sandbox {

namespace {

bool opens(int root, const std::string& path, uint64_t flags, uint64_t resolve) {
  open_how how{};
  how.flags = O_PATH | O_CLOEXEC | flags;
  how.resolve = RESOLVE_IN_ROOT | resolve;
  const UniqueFd fd(static_cast<int>(::syscall(SYS_openat2, root, path.c_str(), &how, sizeof how)));
  return static_cast<bool>(fd);
}

bool is_there(int root, const std::string& path) {
  return opens(root, path, 0, RESOLVE_NO_MAGICLINKS);
}

// A folder of the tree's own, which crun can make a mount point in.
bool is_plain_folder(int root, const std::string& path) {
  return opens(root, path, O_DIRECTORY, RESOLVE_NO_SYMLINKS);
}

Status run(Setup& setup) {
  const Options& options = setup.ground.options;
  const UniqueFd root = TRY(open_file(setup.places.rootfs(), O_PATH | O_DIRECTORY));
  const std::vector<std::string> run_folder = TRY(read_lines(setup.places.run_folder()));
  ConfigInput input{.spec = setup.spec,
                    .places = setup.places,
                    .node = options.node,
                    .run_folder = run_folder.empty() ? "" : run_folder.front(),
                    .shim_program = options.shim_program,
                    .devrun_program = options.devrun_program,
                    .cgroup2 = !setup.ground.parts.cgroups.unified.empty(),
                    .seccomp = setup.ground.parts.seccomp,
                    .grant = setup.grant,
                    .bound = setup.bound,
                    .more_groups = setup.site_groups,
                    .skipped_mounts = {}};
  if (setup.spec.root.live) {
    // step_mount_points has made what could be made; crun is not to make more.
    input.devrun_in_tree = is_there(root.get(), std::string(kDevrunInTree));
    for (const std::string_view path : kMountedFiles) {
      if (!is_there(root.get(), std::string(path))) input.skipped_mounts.emplace_back(path);
    }
  } else {
    input.ssh_config_in_tree =
        has_rank_ssh(setup.spec) &&
        is_plain_folder(root.get(), std::filesystem::path(kSshConfigInTree).parent_path());
    input.devrun_in_tree =
        is_there(root.get(), std::filesystem::path(kDevrunInTree).parent_path().string());
    input.tmp_in_tree = setup.spec.tmp_in_root && is_there(root.get(), "tmp");
    input.var_tmp_in_tree = setup.spec.tmp_in_root && is_there(root.get(), "var/tmp");
  }
  return write_file_atomically(setup.places.bundle() + "/config.json", container_config(input),
                               0600);
}

Status undo(const Ground&, const Places& places) {
  const std::string path = places.bundle() + "/config.json";
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) return errno_error("remove " + path, errno);
  return ok();
}

}  // namespace

Step step_config() {
  return {"config", run, undo};
}

}  // namespace devrun::sandbox
