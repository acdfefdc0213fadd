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
  out["priority"] = task.priority;
  if (task.recovery) out["job_recovery"] = recovery_json(*task.recovery);
  out["envs"] = Json::object();
  for (const Value& env : task.envs) out["envs"][env.name] = shown(env.value);
  out["secrets"] = Json::array();
  for (const Value& secret : task.secrets) out["secrets"].push_back(secret.name);
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
    out["warnings"].push_back(
        {{"line", d.line}, {"column", d.column}, {"message", plan.redactions.apply(d.message)}});
  }
  // Values from the command line need not be UTF-8.
  return out.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace devrun::launch
