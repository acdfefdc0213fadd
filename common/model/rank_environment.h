// What each rank of a job is told about the others: the variables of SkyPilot's task files and the
// usual hints for torchrun. Pure; whoever starts the rank has the facts.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "common/model/ids.h"

namespace devrun {

struct RankFacts {
  JobId job = 0;
  int32_t task = kNoTask;
  uint32_t rank = 0;
  std::vector<std::string> addresses = {};  // by rank; at least one
  int32_t gpus_per_node = 0;                // shares rounded up
  uint16_t master_port = 0;
  std::string user = {};
  std::string group_name = {};  // of a group of jobs; empty: none
  uint32_t array_index = 0;     // of an array: this task's place in it
  uint32_t array_tasks = 0;     // 0: no array
  bool has_setup = false;       // a setup step ran before: its own variables too
};

// NAME and value. What does not apply (no array, no group) is left out.
std::vector<std::pair<std::string, std::string>> rank_environment(const RankFacts& facts);

// A port for rank 0 to listen on, the same for all ranks: below the ports that kernels give out, and
// different for jobs that share a node as far as numbers allow.
uint16_t master_port(JobId job, int32_t task, uint32_t attempt);

}  // namespace devrun
