// Where a pilot's node lives: process, mount and cgroup namespaces of its own, below the process that Slurm has started. When
// that one ends, however it does, the kernel ends every process in them and undoes every mount; and the cgroups that the agent
// makes for its jobs are below that of the allocation, whose limits bind them.
#pragma once

#include <sys/types.h>

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"

namespace devrun::pilots {

// Runs `work` as the first process of new namespaces; its result is the process's exit status. Dies with the calling thread.
// The caller has one thread, and further children of its own would be in the namespace, too. Returns the process's id.
Result<pid_t> start_in_own_space(const std::function<int()>& work);

// A mount of a cgroup hierarchy, as mountinfo has it.
struct CgroupMount {
  std::string where;
  std::string type;     // cgroup, cgroup2
  std::string options;  // controllers or name=…, for mount(2)
};
// Those below /sys/fs/cgroup, in their order.
std::vector<CgroupMount> cgroup_mounts(std::string_view mountinfo);

}  // namespace devrun::pilots
