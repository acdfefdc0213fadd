// From what a round tells to what the cluster is told: whether each GPU is well (health.h), and whose the programs on it are.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "agent/gpu/found.h"

namespace devrun::gpu {

// Whose a process is.
struct Owner {
  bool known = false;                  // false: it has gone, or nobody can tell here
  std::optional<AttemptKey> key = {};  // known without one: devrun did not start it
};

class Judge {
 public:
  explicit Judge(std::function<Owner(uint32_t pid)> owner) : owner_(std::move(owner)) {}

  // Fills in trouble, others and the processes' keys. A program that is not devrun's counts from the second round on in
  // which it is seen: one that looks at the GPUs and ends is none that uses them.
  void judge(std::vector<FoundGpu>& gpus);

 private:
  const std::function<Owner(uint32_t)> owner_;
  std::map<uint32_t, std::set<uint32_t>> strangers_;  // of the round before, by GPU
};

// By the cgroup that attempts below `parent` (devrun/node1) have: the lines of /proc/PID/cgroup.
std::optional<AttemptKey> attempt_of_cgroups(std::string_view lines, std::string_view parent);
Owner owner_by_cgroup(uint32_t pid, std::string_view parent);

}  // namespace devrun::gpu
