// A task file and the overrides become what would be run: all variables have values. Pure: the caller's environment is a function in Overrides.
//
// Alternatives (any_of, ordered, lists of accelerators) stay in the order written; which of them is taken is decided where
// it is known what the cluster has.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cli/launch/overrides.h"
#include "cli/launch/task_file.h"
#include "common/model/job.h"

namespace devrun::launch {

struct Value {
  std::string name;
  std::string value;
  bool operator==(const Value&) const = default;
};

// What a task finds at `target` beside its volume. Paths and names have their values; `shown` is without those of secrets.
struct PlannedMount {
  enum class Kind {
    kLocal,  // `source`, a path as the user means it: relative to the caller's cwd, `~` not expanded
    kUri,    // what `source` names, copied there before setup
    kShared,   // the folder `name` of the store, live; made if it is missing
    kVolume,   // the volume `name`, live; it must be there
    kScratch,  // an empty folder
  };
  Kind kind = Kind::kLocal;
  std::string target;  // `/…` or `~/…`, plain: no `//`, `.` or `..`
  std::string source = {};
  std::string name = {};  // a volume's
  std::vector<std::string> filled_by =
      {};               // of kShared: paths or URIs whose content is put into it
  bool copied = false;  // of kShared: each job has its own copy
  Place place = {};
  std::string shown = {};  // all of it in words, "/data  the shared folder pics, live"
  bool operator==(const PlannedMount&) const = default;
};
inline bool is_uri(std::string_view text) {
  return text.find("://") != std::string_view::npos;
}

struct PlannedGit {
  std::string url;
  std::string ref;  // empty: the repository's own branch
  std::string shown;
  bool operator==(const PlannedGit&) const = default;
};

// One of the things that each rank may ask for, of `any_of`, `ordered` and lists of accelerators.
struct Choice {
  Resources per_node;     // zeroes where the file asks for nothing
  double gpus_exact = 0;  // 0.5: per_node.gpus is rounded up
  bool cpus_at_least = false;
  bool memory_at_least = false;
  std::optional<JobRecovery> recovery;
  int32_t priority = 0;
  std::string image = {};  // a container image to run in; empty: the volume
  std::vector<PortRange> ports = {};
  bool operator==(const Choice&) const = default;
};

struct TaskPlan {
  std::string name;     // may be empty
  std::string workdir;  // as the user means it: relative to the caller's cwd, `~` not expanded
  std::string workdir_shown;  // without values of secrets
  Place workdir_place = {};
  uint32_t nodes = 1;
  // What it may ask for, as preferred, each once; at least one. What it does ask for is the first until somebody knows
  // where there is room (cli/commands/launch_choice.h).
  std::vector<Choice> choices = {{}};
  Choice asks;
  Duration time_limit = {};    // 0: none
  std::vector<Value> envs;     // the file's order, then those of the command line
  std::vector<Value> secrets;  // values never leave but as the job's environment
  std::string setup;
  std::string run;
  std::optional<PlannedGit> git = {};
  std::vector<PlannedMount> mounts = {};  // those that contain others first
  std::string probe = {};    // of a service, in words: "GET /health on port 8080"; empty: none
  uint32_t array_tasks = 0;  // 0: no array; of a sweep the number of its points
  uint32_t array_running_max = 0;
  bool secondary = false;                 // of a group: ended once those that are not have ended
  std::vector<SweepVariable> sweep = {};  // the last one changes fastest
};

struct Plan {
  std::string name;  // of a pipeline or group; else empty
  TaskOrder order = TaskOrder::kSerial;
  std::vector<TaskPlan> tasks;  // at least one
  Redactions redactions;        // every secret's value
};

struct Resolution {
  std::optional<Plan> plan;  // nothing if there are errors
  std::vector<Diagnostic> diagnostics;
};
// Values that tasks need and nobody gives, and flags that are wrong: of a file that has errors of its own, so that all
// are told at once.
std::vector<Diagnostic> missing_values(const TaskFile& file, const Overrides& overrides);
Resolution resolve(const TaskFile& file, const Overrides& overrides);

// "8 × H100, 4 CPUs or more", or "nothing in particular".
std::string choice_text(const Choice& choice);
// What `--dry-run` prints. Secrets by name alone.
std::string plan_text(const Plan& plan, const std::vector<Diagnostic>& warnings);
std::string plan_json(const Plan& plan, const std::vector<Diagnostic>& warnings);

}  // namespace devrun::launch
