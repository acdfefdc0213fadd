// The controllers of this host that attempts are put under: cpu shares, a memory limit and a number of processes, in
// cgroup v1, v2 or a mixture; io for its accounts alone.
// Where there are none, or none that we may use, attempts run without: crun itself is told to leave cgroups alone, because
// version 1.8 refuses hybrid hosts and would visit every controller.
#pragma once

#include <string>
#include <vector>

#include "common/base/result.h"
#include "common/model/job.h"

namespace devrun::sandbox {

struct CgroupHost {
  std::string unified;  // mount point of cgroup2, if controllers are there
  std::string cpu;      // of the v1 controller
  std::string memory;
  std::string devices;
  std::string guard;  // a mount of cgroup2 for programs alone, where limits are in v1 (mount_guard)
  std::string pids;

  static CgroupHost look(const std::string& root = "/sys/fs/cgroup");
};

// Mounts cgroup2 at `folder`, which is made, unless the host shows it already; crun must not see it where hosts have it.
// For hosts whose controllers are in v1. Empty if the kernel refuses.
std::string mount_guard(const std::string& folder);
// Processes and threads of an attempt: a fork bomb ends before the node does.
inline constexpr int64_t kTasksMax = 32'768;

// Makes PARENT/NAME under each controller that is there and sets its limits; returns the folders made. A controller that
// refuses is left out, with a line in the log. CPUs are shares, and with `ceiling` no more than these either.
std::vector<std::string> make_cgroups(const CgroupHost& host, const std::string& parent,
                                      const std::string& name, const Resources& resources,
                                      bool ceiling = false);

// KILL to everything in them.
void kill_cgroups(const std::vector<std::string>& folders);

// The same, and waits until nothing is in them; kTimeout if something stays.
Status end_cgroups(const std::vector<std::string>& folders);

// Waits until they are empty; kTimeout if they do not become so.
Status remove_cgroups(const std::vector<std::string>& folders);

}  // namespace devrun::sandbox
