// A SkyPilot-style task file, read: the fields that devrun follows as values with their places, the
// other known ones as one warning each, and everything wrong with the file at once. Nothing is decided
// here that needs overrides or the caller's environment: that is resolve() in plan.h.
//
// One file per group of fields: read_task.cc (scalars, the walk), read_envs.cc, read_resources.cc,
// read_gpus.cc, read_mounts.cc, read_service.cc, read_sweep.cc; known_fields.cc is the table of all names.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/launch/diagnostic.h"
#include "common/base/result.h"
#include "common/model/job.h"

namespace devrun::launch {

inline constexpr int64_t kTaskNodesMax = 4096;
inline constexpr int32_t kPriorityMax = 1000;   // and its negative
inline constexpr size_t kMountsMax = 64;        // of a task
inline constexpr int64_t kPointsMax = 100'000;  // of a sweep, or tasks of an array
inline constexpr size_t kSweepVariablesMax = 16;

struct Text {
  std::string value;
  Place place;
};

// One of `envs` or `secrets`. Without a value it is required from the command line.
struct Variable {
  std::string name;
  std::optional<std::string> value;
  Place place;  // of the name
};

struct CpuRequest {
  int64_t milli = 0;
  bool at_least = false;  // `4+`
  bool operator==(const CpuRequest&) const = default;
};
struct MemoryRequest {
  int64_t bytes = 0;
  bool at_least = false;
  bool operator==(const MemoryRequest&) const = default;
};
struct GpuRequest {
  std::string type;  // canonical (common/model/gpu_names.h)
  double count = 1;  // below 1: a share of one
  bool operator==(const GpuRequest&) const = default;
};
struct JobRecovery {
  std::string strategy;  // empty: the default
  std::optional<int32_t> max_restarts_on_errors;
  std::vector<int32_t> recover_on_exit_codes;
  bool operator==(const JobRecovery&) const = default;
};

struct ResourceRequest {
  std::optional<CpuRequest> cpus;
  std::optional<MemoryRequest> memory;
  std::vector<GpuRequest> gpus;  // alternatives in the order written; empty: none
  std::optional<JobRecovery> recovery;
  std::optional<int32_t> priority;
  std::string image = {};  // what follows `docker:`; empty: the volume
  std::vector<PortRange> ports = {};
  bool operator==(const ResourceRequest&) const = default;
};

// `{url: …, ref: …}`.
struct GitSource {
  Text url;
  Text ref;  // empty: the repository's own branch
};

// A bucket where SkyPilot runs, here a folder of that name in the store.
struct Storage {
  Text name;  // may be empty if there is a source
  std::vector<Text> sources;
  bool copied = false;  // `mode: COPY`: each job has its own copy
};
// One of `file_mounts`: `{target: local path or URI}` or `{target: {storage}}`; before ${VAR}.
struct FileMount {
  Text target;
  Text source;                     // empty: a storage
  std::optional<Storage> storage;  // nothing: a source
};
// One of `volumes`.
struct VolumeMount {
  Text target;
  Text name;  // empty: a folder that goes with the job
};

struct Service {
  Place place;
  std::string probe_path;  // before ${VAR}; empty: none told
  std::string probe_post;  // what is posted to it; empty: GET
  int64_t initial_delay_seconds = 0;
  int64_t timeout_seconds = 0;
  int64_t replicas = 1;
  std::vector<PortRange> ports;
};

// `devrun: {sweep: {lr: [0.1, 0.2], seed: 1..3}}`: a task for each point, the last variable changing fastest.
struct SweptVariable {
  std::string name;
  std::vector<std::string> values;  // at least one
  Place place;
};
struct Sweep {
  int64_t array = 0;  // tasks of `array`; 0: none
  std::vector<SweptVariable> variables;
  int64_t max_running = 0;  // 0: no limit
  Place place;
};

struct Task {
  Text name;
  Text workdir;  // as written, before ${VAR}; empty: none
  int64_t nodes = 1;
  std::vector<ResourceRequest> alternatives = {{}};  // any_of or ordered; else one
  std::vector<Variable> envs;
  std::vector<Variable> secrets;
  Text setup;
  Text run;
  std::optional<GitSource> git = {};  // instead of a workdir
  std::vector<FileMount> file_mounts = {};
  std::vector<VolumeMount> volumes = {};
  std::optional<Service> service = {};
  std::optional<Sweep> sweep = {};
};

enum class TaskOrder { kSerial, kParallel };

struct TaskFile {
  std::string name;  // of a pipeline or group, from its first document
  TaskOrder order = TaskOrder::kSerial;
  std::vector<Text> primary_tasks =
      {};                   // of a group: when these have ended, the others are ended; empty: all
  std::vector<Task> tasks;  // at least one; more than one: several documents
  Redactions redactions;    // the values of secrets in the file
};

struct ParsedTaskFile {
  std::optional<TaskFile> file;  // nothing if there are errors
  // What could be read of a file with errors: for missing_values (plan.h), which finds more of them.
  std::optional<TaskFile> incomplete = {};
  std::vector<Diagnostic> diagnostics;
  Redactions redactions;
};
ParsedTaskFile parse_task_file(std::string_view text);

// The one function here that reads a file; at most kFileBytesMax.
Result<std::string> read_task_file(const std::string& path);

}  // namespace devrun::launch
