// The plan for programs: one line of JSON. Sizes in bytes, CPUs in thousandths of a core.
#include <nlohmann/json.hpp>

#include "cli/launch/plan.h"

namespace devrun::launch {

namespace {

using Json = nlohmann::ordered_json;

Json recovery_json(const JobRecovery& recovery) {
  Json out = Json::object();
  if (!recovery.strategy.empty()) out["strategy"] = recovery.strategy;
  if (recovery.max_restarts_on_errors) {
    out["max_restarts_on_errors"] = *recovery.max_restarts_on_errors;
  }
  out["recover_on_exit_codes"] = recovery.recover_on_exit_codes;
  return out;
}

std::string_view kind_name(PlannedMount::Kind kind) {
  switch (kind) {
    case PlannedMount::Kind::kLocal:
      return "local";
    case PlannedMount::Kind::kUri:
      return "uri";
    case PlannedMount::Kind::kShared:
      return "shared";
    case PlannedMount::Kind::kVolume:
      return "volume";
    case PlannedMount::Kind::kScratch:
      return "scratch";
  }
  return "?";
}

Json ports_json(const std::vector<PortRange>& ports) {
  Json out = Json::array();
  for (const PortRange& range : ports)
    out.push_back({{"first", range.first}, {"last", range.last}});
  return out;
}

void add_places(Json& out, const TaskPlan& task, const Redactions& redactions) {
  if (task.git) out["git"] = redactions.apply(task.git->shown);
  if (!task.image.empty()) out["image"] = redactions.apply(task.image);
  out["mounts"] = Json::array();
  for (const PlannedMount& mount : task.mounts) {
    out["mounts"].push_back({{"kind", kind_name(mount.kind)},
                             {"target", redactions.apply(mount.target)},
                             {"name", redactions.apply(mount.name)},
                             {"source", redactions.apply(mount.source)},
                             {"copied", mount.copied}});
  }
  out["ports"] = ports_json(task.ports);
  if (!task.probe.empty()) out["readiness_probe"] = redactions.apply(task.probe);
}

void add_array(Json& out, const TaskPlan& task, const Redactions& redactions) {
  if (task.array_tasks == 0) return;
  out["array_tasks"] = task.array_tasks;
  out["array_running_max"] = task.array_running_max;
  Json& sweep = out["sweep"] = Json::object();
  for (const SweepVariable& variable : task.sweep) {
    Json& values = sweep[variable.name] = Json::array();
    for (const std::string& value : variable.values) values.push_back(redactions.apply(value));
  }
}

Json task_json(const TaskPlan& task, const Redactions& redactions) {
  const auto shown = [&](const std::string& text) { return redactions.apply(text); };
  Json out;
  out["name"] = shown(task.name);
  out["workdir"] = shown(task.workdir_shown);
  out["nodes"] = task.nodes;
  Json& each = out["per_node"];
  each["cpu_milli"] = task.per_node.cpu_milli;
  each["cpus_at_least"] = task.cpus_at_least;
  each["memory_bytes"] = task.per_node.memory_bytes;
  each["memory_at_least"] = task.memory_at_least;
  each["gpus"] = task.per_node.gpus;
  each["gpus_exact"] = task.gpus_exact;
  each["gpu_type"] = shown(task.per_node.gpu_type);
  out["alternatives"] = task.alternatives;
  if (task.secondary) out["secondary"] = true;
  out["priority"] = task.priority;
  if (task.recovery) out["job_recovery"] = recovery_json(*task.recovery);
  out["envs"] = Json::object();
  for (const Value& env : task.envs) out["envs"][env.name] = shown(env.value);
  out["secrets"] = Json::array();
  for (const Value& secret : task.secrets) out["secrets"].push_back(secret.name);
  add_places(out, task, redactions);
  add_array(out, task, redactions);
  out["setup"] = shown(task.setup);
  out["run"] = shown(task.run);
  return out;
}

}  // namespace

std::string plan_json(const Plan& plan, const std::vector<Diagnostic>& warnings) {
  Json out;
  out["name"] = plan.redactions.apply(plan.name);
  out["order"] = plan.order == TaskOrder::kSerial ? "serial" : "parallel";
  out["tasks"] = Json::array();
  for (const TaskPlan& task : plan.tasks) out["tasks"].push_back(task_json(task, plan.redactions));
  out["warnings"] = Json::array();
  for (const Diagnostic& d : warnings) {
    if (d.severity != Severity::kWarning) continue;
    out["warnings"].push_back({{"line", d.line},
                               {"column", d.column},
                               {"message", plan.redactions.apply(d.message)},
                               {"unsupported", d.unsupported}});
  }
  // Values from the command line need not be UTF-8.
  return out.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace devrun::launch
