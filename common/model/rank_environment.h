// What each rank of a job is told about the others: the variables of SkyPilot's task files and the
// usual hints for torchrun. Pure; whoever starts the rank has the facts.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "common/model/ids.h"
#include "common/model/job.h"

namespace devrun {

struct RankFacts {
  JobId job = 0;
  int32_t task = kNoTask;
  uint32_t rank = 0;
  std::vector<std::string> addresses = {};  // by rank; at least one
  int32_t gpus_per_node = 0;                // shares rounded up
  uint16_t master_port = 0;
  std::string user = {};
  std::string group_name = {};             // of a group of jobs; empty: none
  uint32_t array_index = 0;                // of an array: this task's place in it
  uint32_t array_tasks = 0;                // 0: no array
  std::string task_id = {};                // empty: made of the job's number
  std::vector<std::string> task_ids = {};  // of all tasks of the job's file; empty: this one
  bool has_setup = false;                  // a setup step ran before: its own variables too
};

// NAME and value. What does not apply (no array, no group) is left out.
std::vector<std::pair<std::string, std::string>> rank_environment(const RankFacts& facts);

// SKYPILOT_TASK_IDS of a task: one of each task of its file, in the file's order; its own is that at `several.index`, or the
// only one. "devrun-42", of an array "devrun-42_7"; of a pipeline or group "devrun-42-0", "devrun-42-1", … by the number of the
// job that was submitted first, so that the first knows those of all that come after it.
std::vector<std::string> task_ids_of(TaskKey task, const Several& several);

// A port for rank 0 to listen on, the same for all ranks: below the ports that kernels give out, and
// different for jobs that share a node as far as numbers allow.
uint16_t master_port(JobId job, int32_t task, uint32_t attempt);

}  // namespace devrun
