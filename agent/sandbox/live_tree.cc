#include "agent/sandbox/live_tree.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cerrno>
#include <optional>
#include <thread>

#include "agent/sandbox/bound.h"
#include "common/runtime/file.h"
#include "common/runtime/namespace.h"

namespace devrun::sandbox {

Error no_live_volumes(const Options& options, const std::string& path) {
  return {
      Code::kUnsupported,
      fmt::format("{} cannot be live on {}: the live volumes are not there", path, options.node),
      "a --pool of nodes that have them; else without --live"};
}

Result<UniqueFd> clone_live(const Options& options, const std::string& volume,
                            const std::string& path) {
  const std::string live = options.live_folder + "/" + volume + "/live";
  UniqueFd space;
  if (!options.live_keeper.empty()) {
    Result<UniqueFd> found = mount_namespace_of(options.live_keeper);
    if (!found) return no_live_volumes(options, path);
    space = std::move(*found);
  }
  std::optional<Result<UniqueFd>> out;
  std::thread([&] {
    if (space && (::unshare(CLONE_FS) != 0 || ::setns(space.get(), CLONE_NEWNS) != 0)) {
      out = errno_error("enter the storage namespace", errno);
      return;
    }
    const Result<UniqueFd> root = open_file(live, O_PATH | O_DIRECTORY);
    if (!root) {
      out = no_live_volumes(options, path);
      return;
    }
    const UniqueFd folder = open_in_tree(root->get(), path);
    if (!folder && errno != ENOENT && errno != ENOTDIR) {
      out = errno_error("look at " + path, errno);
      return;
    }
    if (!folder) {
      out = Error{Code::kInvalid,
                  fmt::format("{} cannot be live: it is no folder of volume {}", path, volume),
                  fmt::format("devrun shell {} -- mkdir -p {}", volume, path)};
      return;
    }
    UniqueFd mount(
        ::open_tree(folder.get(), "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC));
    if (!mount) {
      out = errno_error("take " + path + " of the live volume", errno);
      return;
    }
    out = std::move(mount);
  }).join();
  return std::move(*out);
}

}  // namespace devrun::sandbox
