// What the monitor knows of the cluster: plain rows, as the controller pushed them last.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/base/time.h"
#include "common/model/ids.h"
#include "common/model/job.h"
#include "common/model/node.h"
#include "common/model/task_counts.h"

namespace devrun::tui {

struct AttemptRow {
  AttemptKey key;
  std::string node;
  JobState state = JobState::kQueued;
  std::string ending;  // "exit 1: …", empty while it lives
  int64_t output_bytes = 0;
};

struct JobRow {
  JobId id = 0;
  JobState state = JobState::kQueued;
  std::string user;
  std::string volume;
  std::string name;
  std::string command;   // argv joined, for people
  std::string reason;    // why it waits
  std::string snapshot;  // the tree's short name
  std::string cwd;
  std::vector<std::string> env_names;
  std::vector<AttemptRow> attempts;
  Ending ending;  // with a final state
  Resources per_node;
  uint32_t ranks = 1;
  uint64_t tasks = 0;        // of an array; 0: none
  TaskCounts progress = {};  // of its tasks
  Timeline timeline;
};

struct NodeRow {
  std::string name;
  bool connected = false;
  Resources total;
  Resources used;
  uint32_t attempts = 0;
};

}  // namespace devrun::tui
