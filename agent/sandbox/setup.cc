#include "agent/sandbox/setup.h"

#include <chrono>

namespace devrun::sandbox {

std::vector<Step> all_steps() {
  // Node paths after what is bound: the undo of the latter removes all places for mounts.
  return {step_cgroup(),       step_shim(),   step_scratch(), step_root(),
          step_folder(),       step_files(),  step_bound(),   step_node_paths(),
          step_mount_points(), step_config(), step_go()};
}

Time wall_clock() {
  return {std::chrono::duration_cast<std::chrono::microseconds>(
              std::chrono::system_clock::now().time_since_epoch())
              .count()};
}

}  // namespace devrun::sandbox
