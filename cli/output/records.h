// What the controller tells of jobs, volumes and nodes, as the commands print it. Plain values;
// cli/client fills them in.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/model/ids.h"
#include "common/model/job.h"
#include "common/model/node.h"

namespace devrun::cli {

struct AttemptRecord {
  AttemptKey key;
  std::string node;
  JobState state = JobState::kQueued;
  std::optional<Ending> ending;
  int64_t output_bytes = 0;
  std::optional<WrittenSummary> wrote;
  Timeline timeline;
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
};

// What the job runs, for people: its program, or for a task file, whose argv is that of a shell, its name.
std::string shown_command(const JobRecord& job);

struct JobList {
  std::vector<JobRecord> jobs;  // newest last
  bool truncated = false;
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
};

struct NodeRecord {
  NodeHello hello;
  Resources used;
  bool connected = false;
  Time last_heard;
  uint32_t attempts = 0;
  std::string trouble = {};  // why nothing is placed there though it is connected
};

}  // namespace devrun::cli
