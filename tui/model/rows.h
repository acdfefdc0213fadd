// What the monitor knows of the cluster: plain rows, as the controller pushed or answered them last.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "common/base/time.h"
#include "common/model/ids.h"
#include "common/model/job.h"
#include "common/model/node.h"
#include "common/model/queued_job.h"
#include "common/model/sample.h"
#include "common/model/task_counts.h"

namespace devrun::tui {

struct AttemptRow {
  AttemptKey key;
  std::string node;
  JobState state = JobState::kQueued;
  std::string ending;  // "exit 1: …", empty while it lives
  int64_t output_bytes = 0;
  std::vector<uint32_t> gpus = {};
  Usage usage = {};  // of one that has ended
  Time started = {};
  Time ended = {};
};

// What became of what it wrote.
struct HomeRow {
  uint64_t files = 0;  // that came home
  int64_t bytes = 0;
  uint64_t conflicts = 0;  // that stay in the change set since the volume's were changed too
  uint64_t kept = 0;       // that stay there since no path of theirs is home
  bool failed = false;     // not wholly in the store
  std::vector<std::string> conflicting = {};  // the first few paths in conflict
  bool operator==(const HomeRow&) const = default;
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
  std::map<std::string, std::string> labels = {};
  int32_t priority = 0;
  bool dev_container = false;
  bool tty = false;
  Duration time_limit = {};
  uint32_t retries = 0;
  std::string pool = {};
  HomeRow home = {};
  uint64_t queue_place = 0;  // of details alone, as expected_start
  Time expected_start = {};
  std::string search = {};  // all that a word may be part of, in lower case: search_text()
};
std::string search_text(const JobRow& job);

struct GpuHolderRow {
  AttemptKey key;
  std::vector<uint32_t> gpus;
};
struct NodeRow {
  std::string name;
  bool connected = false;
  Time last_heard = {};  // while it is not
  Resources total;
  Resources used;
  uint32_t attempts = 0;
  std::vector<Gpu> gpus = {};
  std::vector<GpuHolderRow> holders = {};
  std::string trouble = {};  // why nothing is placed there: its own, an operator's, the scheduler's
  bool drained = false;
  Counts files = {};  // of its file system
};

// What a job uses now, its attempts added up.
struct JobLoad {
  uint32_t cpu_milli = 0;
  int64_t memory_bytes = 0;
  uint32_t gpus = 0;
  uint32_t gpu_percent = 0;
  uint32_t gpu_idle_s = 0;  // how long none of its GPUs has done anything
};

struct VolumeRow {
  std::string name;
  std::string owner;
  uint64_t snapshots = 0;
  uint64_t files = 0;
  int64_t bytes = 0;
  int64_t quota_bytes = 0;
  Time newest;
  std::string damage;
};

struct SnapshotRow {
  uint64_t number = 0;
  std::string tree;  // short
  Time taken;
  uint64_t files = 0;
  int64_t bytes = 0;
  int64_t changed_bytes = 0;
  std::string message;
  bool pinned = false;
  std::vector<JobId> jobs;
};

}  // namespace devrun::tui
