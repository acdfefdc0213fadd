// Whether the kernel killed something in a container for want of memory. A KILL by itself does not say who sent it; the
// container's cgroup counts those of the kernel, in v2 and in v1, and has to be asked before it is removed.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/model/job.h"

namespace devrun::shim {

struct MemoryKills {
  bool at_limit = false;    // its own limit was reached; else the node had no memory left
  int64_t limit_bytes = 0;  // 0: none is set
  int64_t kills = 0;        // since the cgroup was made
};

// Of the first of the folders that counts them; nullopt if nothing was killed, or none counts.
std::optional<MemoryKills> memory_kills(const std::vector<std::string>& cgroups);

// An ending by KILL, or with a failure after one in the container, says what it was. The status stays. Not if there have
// been no more kills than `kills_before`.
void explain_memory_kill(const std::vector<std::string>& cgroups, Ending& ending,
                         int64_t kills_before = 0);

}  // namespace devrun::shim
