// The composition of the real parts; apart from the rest so that tests need no devrun-fs.
#include "agent/sandbox/node_sandboxes.h"
#include "agent/volume/fs_client.h"
#include "common/tree/trace.h"

namespace devrun::sandbox {

Result<std::unique_ptr<Sandboxes>> Sandboxes::open(Options options) {
  Ground ground;
  ground.options = std::move(options);
  ground.parts = TRY(parts_of_host());
  ground.parts.driver = ground.options.driver;
  if (CgroupHost& host = ground.parts.cgroups; host.unified.empty()) {
    host.guard = mount_guard(ground.options.state_folder + "/cgroup2");
  }
  ground.parts.prepare_tree = [socket = ground.options.fs_socket](
                                  const AttemptSpec& spec,
                                  const std::function<bool()>& given_up) -> Result<PreparedTree> {
    if (spec.setup_for_ranks > 0) {
      wire::FsTreePath watched =
          TRY(fs_prepare_watched(socket, spec.root, folder_name(spec.key), given_up));
      return PreparedTree{std::move(watched.path), {}, true};
    }
    wire::FsTreePath tree = TRY(fs_prepare(
        socket, spec.root, kFsAbsenceMax,
        {folder_name(spec.key), tree::trace_paths(spec.root.volume, spec.program.argv)}, given_up));
    return PreparedTree{std::move(tree.path), std::move(tree.layers)};
  };
  ground.parts.watched = [socket = ground.options.fs_socket](const AttemptKey& key) {
    return fs_watched(socket, folder_name(key));
  };
  return open_sandboxes(std::move(ground), all_steps());
}

}  // namespace devrun::sandbox
