// What the controller tells of jobs, volumes and nodes, as the commands print it. Plain values;
// cli/client fills them in.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/model/ids.h"
#include "common/model/job.h"
#include "common/model/node.h"
#include "common/model/sample.h"
#include "common/model/task_counts.h"

namespace devrun::cli {

struct AttemptRecord {
  AttemptKey key;
  std::string node;
  JobState state = JobState::kQueued;
  std::optional<Ending> ending;
  int64_t output_bytes = 0;
  std::optional<WrittenSummary> wrote;
  Timeline timeline;
  std::vector<uint32_t> gpus = {};  // of its node's, by index
  std::optional<Usage> usage = {};
};

struct JobRecord {
  JobId job = 0;
  JobSpec spec;
  std::vector<std::string> env_names;
  JobState state = JobState::kQueued;
  std::optional<Ending> ending;
  std::string reason;  // why it waits
  std::vector<AttemptRecord> attempts;
  Timeline timeline;
  std::optional<TaskCounts> tasks = {};  // of an array
  int32_t task = kNoTask;                // of an array: the one that this record is about
  uint64_t queue_place = 0;              // from 1; 0: it is not among those that could be placed
  Time expected_start = {};              // 0: cannot be told
  std::optional<SetupUse> setup = {};    // what its setup step came to
};

// What the job runs, for people: its program, or for a task file, whose argv is that of a shell, its name. A dev
// container runs nothing of its own.
std::string shown_command(const JobRecord& job);

// What would become of a job that is not submitted.
struct ForesightRecord {
  std::string reason;  // why it would wait; empty: it would start at once
  uint64_t queue_place = 0;
  Time expected_start;  // 0: cannot be told
  bool never = false;   // not before the cluster changes
};

struct JobList {
  std::vector<JobRecord> jobs;  // newest last
  bool truncated = false;       // older ones were left out, or not looked at
  JobId next_before = 0;        // then: `before` of the next page
};

struct VolumeRecord {
  std::string name;
  std::string owner;
  std::string driver;
  Time created;
  Digest newest_tree;  // zero: no snapshot yet
  Time newest_taken;
  uint64_t newest_files = 0;
  int64_t newest_bytes = 0;
  uint64_t newest_number = 0;
  uint64_t snapshots = 0;
  int64_t quota_bytes = 0;  // 0: none
  std::string damage = {};  // why it cannot be used; empty: it can
  Time removed = {};        // of a removed one
  Time kept_until = {};
  std::string access =
      "all";  // or write, read: another's, shared with us so; see: to a reader of all
};

struct SnapshotRecord {
  std::string volume;
  uint64_t number = 0;
  Digest tree;
  Time taken;
  uint64_t files = 0;
  int64_t bytes = 0;
  int64_t changed_bytes = 0;
  std::string message;
  bool pinned = false;
  std::vector<JobId> jobs;
};

struct RestoredRecord {
  SnapshotRecord before;
  uint64_t entries = 0;  // written or removed
};

// What of a path differs.
struct ChangeRecord {
  enum class Kind { kCreated, kDeleted, kType, kContent, kAttributes };
  std::string path;  // "/usr/bin/x"; any bytes
  Kind kind = Kind::kContent;
  char type_before = 0;  // as `ls -l` has it: - d l c b p s; 0: was not there
  char type_after = 0;
  uint64_t size_before = 0;
  uint64_t size_after = 0;
  uint32_t mode_before = 0;
  uint32_t mode_after = 0;
  bool owner_changed = false;
  bool mtime_changed = false;
  bool xattrs_changed = false;
};

struct VolumeUsageRecord {
  std::string name;
  int64_t live_bytes = 0;
  int64_t own_bytes = 0;
  int64_t shared_bytes = 0;
  uint64_t snapshots = 0;
  int64_t quota_bytes = 0;
};
struct UsageRecord {
  std::vector<VolumeUsageRecord> volumes;
  int64_t store_bytes = 0;
  int64_t store_free_bytes = 0;
};

// A change set, and an entry of it.
struct ChangeSetRecord {
  AttemptKey key;
  std::string volume;
  bool complete = false;  // false: more is to come, or could not come
  bool applies = false;
  bool runs = false;
  Time changed;
};
struct JobChangeRecord {
  enum class State { kHome, kKept, kConflict };
  std::string path;  // "/root/x"; any bytes
  char kind = 'M';   // A, M, D
  State state = State::kKept;
  char type = '-';  // of what it is now, or was: as `ls -l` has it
  uint64_t size_before = 0;
  uint64_t size_after = 0;
};
// What taking a change set into the volume, or out of it, has done.
struct TakenRecord {
  AttemptKey key;
  uint64_t files = 0;
  int64_t bytes = 0;
  uint64_t beside = 0;
  std::vector<std::string> conflicts;  // "/root/x", the first of them
  uint64_t conflicts_in_all = 0;
};

// The kinds of a volume's paths, by who says so.
struct VolumePathsRecord {
  std::string volume;
  PathRules defaults;
  PathRules set;
  struct Site {
    std::string path;
    std::vector<std::string> nodes;
  };
  std::vector<Site> sites;
};

struct NodeRecord {
  NodeHello hello;
  Resources used;
  bool connected = false;
  Time last_heard;
  uint32_t attempts = 0;
  std::string trouble = {};    // why nothing is placed there though it is connected
  std::string drained = {};    // why an operator took it out of use; empty: in use
  std::string set_aside = {};  // why the scheduler did
  struct GpuHolder {
    AttemptKey key;
    std::vector<uint32_t> gpus;  // by index
  };
  std::vector<GpuHolder> gpu_holders = {};
  Counts files = {};                        // what its file system counts; only of show_node
  std::vector<GpuSample> gpu_samples = {};  // what its GPUs do; likewise
};

}  // namespace devrun::cli
