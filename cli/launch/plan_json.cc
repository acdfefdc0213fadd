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
  if (!task.asks.image.empty()) out["image"] = redactions.apply(task.asks.image);
  out["mounts"] = Json::array();
  for (const PlannedMount& mount : task.mounts) {
    out["mounts"].push_back({{"kind", kind_name(mount.kind)},
                             {"target", redactions.apply(mount.target)},
                             {"name", redactions.apply(mount.name)},
                             {"source", redactions.apply(mount.source)},
                             {"copied", mount.copied}});
  }
  out["ports"] = ports_json(task.asks.ports);
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

Json choice_json(const Choice& choice, const Redactions& redactions) {
  Json out;
  out["cpu_milli"] = choice.per_node.cpu_milli;
  out["cpus_at_least"] = choice.cpus_at_least;
  out["memory_bytes"] = choice.per_node.memory_bytes;
  out["memory_at_least"] = choice.memory_at_least;
  out["gpus"] = choice.per_node.gpus;
  out["gpus_exact"] = choice.gpus_exact;
  out["gpu_type"] = redactions.apply(choice.per_node.gpu_type);
  return out;
}

Json task_json(const TaskPlan& task, const Redactions& redactions) {
  const auto shown = [&](const std::string& text) { return redactions.apply(text); };
  Json out;
  out["name"] = shown(task.name);
  out["workdir"] = shown(task.workdir_shown);
  out["nodes"] = task.nodes;
  out["per_node"] = choice_json(task.asks, redactions);
  out["alternatives"] = task.choices.size();
  if (task.choices.size() > 1) {
    for (const Choice& one : task.choices) out["choices"].push_back(choice_json(one, redactions));
  }
  if (task.secondary) out["secondary"] = true;
  out["priority"] = task.asks.priority;
  if (task.asks.recovery) out["job_recovery"] = recovery_json(*task.asks.recovery);
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
