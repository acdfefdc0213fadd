// A task file and the overrides become what would be run: all variables have values, one alternative of
// the resources is chosen. Pure: the caller's environment is a function in Overrides.
//
// Chosen is the first alternative as written (any_of, ordered, lists of accelerators): whether it
// fits is the scheduler's to say.
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

struct TaskPlan {
  std::string name;     // may be empty
  std::string workdir;  // as the user means it: relative to the caller's cwd, `~` not expanded
  std::string workdir_shown;  // without values of secrets
  uint32_t nodes = 1;
  Resources per_node;     // zeroes where the file asks for nothing
  double gpus_exact = 0;  // 0.5: per_node.gpus is rounded up
  bool cpus_at_least = false;
  bool memory_at_least = false;
  size_t alternatives = 1;  // how many the file offers; the first is taken
  std::optional<JobRecovery> recovery;
  int32_t priority = 0;
  std::vector<Value> envs;     // the file's order, then those of the command line
  std::vector<Value> secrets;  // values never leave but as the job's environment
  std::string setup;
  std::string run;
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

// What `--dry-run` prints. Secrets by name alone.
std::string plan_text(const Plan& plan, const std::vector<Diagnostic>& warnings);
std::string plan_json(const Plan& plan, const std::vector<Diagnostic>& warnings);

}  // namespace devrun::launch
