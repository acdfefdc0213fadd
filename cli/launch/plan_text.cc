// The plan for people.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <utility>

#include "cli/launch/plan.h"
#include "cli/launch/yaml_scalar.h"
#include "common/base/units.h"

namespace devrun::launch {

namespace {

constexpr size_t kValueShownMax = 80;

std::string count_text(double count) {
  return count == static_cast<double>(static_cast<int64_t>(count))
             ? std::to_string(static_cast<int64_t>(count))
             : python_float(count);
}

// On one line, and not for ever.
std::string value_text(std::string_view value) {
  std::string out;
  for (const char c : value) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '\n') {
      out += "\\n";
    } else if (byte < 0x20 || byte == 0x7F) {
      out += fmt::format("\\x{:02x}", byte);
    } else {
      out += c;
    }
  }
  if (out.size() <= kValueShownMax) return out;
  size_t end = kValueShownMax;
  while (end > 0 && (static_cast<unsigned char>(out[end]) & 0xC0U) == 0x80U) --end;
  return out.substr(0, end) + "…";
}

void row(std::string& out, std::string_view name, std::string_view value) {
  out += fmt::format("  {:<10}{}", name, value);
  while (out.ends_with(' ')) out.pop_back();
  out += '\n';
}

void script_rows(std::string& out, std::string_view name, std::string_view text) {
  if (text.empty()) return row(out, name, "nothing");
  std::string_view label = name;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    row(out, label, value_text(text.substr(0, end)));
    text.remove_prefix(std::min(end + 1, text.size()));
    label = "";
  }
}

std::string recovery_text(const JobRecovery& recovery) {
  std::vector<std::string> parts;
  if (!recovery.strategy.empty()) parts.push_back(recovery.strategy);
  if (recovery.max_restarts_on_errors) {
    parts.push_back(fmt::format("at most {} restarts", *recovery.max_restarts_on_errors));
  }
  if (!recovery.recover_on_exit_codes.empty()) {
    parts.push_back(fmt::format("always on status {}, which is not counted",
                                fmt::join(recovery.recover_on_exit_codes, ", ")));
  }
  return fmt::format("{}", fmt::join(parts, ", "));
}

std::string ports_text(const std::vector<PortRange>& ports) {
  std::vector<std::string> out;
  for (const PortRange& range : ports) {
    out.push_back(range.first == range.last ? std::to_string(range.first)
                                            : fmt::format("{}-{}", range.first, range.last));
  }
  return fmt::format("{}", fmt::join(out, ", "));
}

void place_rows(std::string& out, const TaskPlan& task) {
  if (!task.asks.image.empty()) row(out, "image", value_text(task.asks.image));
  if (!task.workdir.empty()) row(out, "workdir", value_text(task.workdir_shown));
  if (task.git) row(out, "workdir", "cloned from " + value_text(task.git->shown));
  std::string_view label = "mounts";
  for (const PlannedMount& mount : task.mounts) {
    row(out, std::exchange(label, ""), value_text(mount.shown));
  }
  if (!task.asks.ports.empty()) row(out, "ports", ports_text(task.asks.ports));
  if (!task.probe.empty()) row(out, "ready", value_text(task.probe));
}

void array_rows(std::string& out, const TaskPlan& task) {
  if (task.array_tasks == 0) return;
  const std::string at_once =
      task.array_running_max > 0 ? fmt::format(", {} at once", task.array_running_max) : "";
  row(out, "tasks", fmt::format("{}{}", task.array_tasks, at_once));
  std::string_view label = "sweep";
  for (const SweepVariable& variable : task.sweep) {
    row(out, std::exchange(label, ""),
        value_text(fmt::format("{} = {}", variable.name, fmt::join(variable.values, ", "))));
  }
}

void choice_rows(std::string& out, const TaskPlan& task) {
  std::string_view label = "each";
  for (const Choice& one : task.choices) {
    const std::string image = one.image == task.asks.image ? ""
                              : one.image.empty()
                                  ? ", in the volume"
                                  : fmt::format(", in the image {}", value_text(one.image));
    row(out, std::exchange(label, "or"), choice_text(one) + image);
  }
}

std::string task_text(const TaskPlan& task) {
  std::string out =
      fmt::format("task {}\n", task.name.empty() ? "(no name)" : value_text(task.name));
  if (task.secondary) row(out, "ends", "once the primary tasks have ended");
  row(out, "nodes", std::to_string(task.nodes));
  choice_rows(out, task);
  array_rows(out, task);
  place_rows(out, task);
  if (task.asks.recovery) row(out, "recovery", recovery_text(*task.asks.recovery));
  if (task.asks.priority != 0) row(out, "priority", std::to_string(task.asks.priority));
  std::string_view label = "envs";
  for (const Value& env : task.envs) {
    row(out, std::exchange(label, ""), fmt::format("{}={}", env.name, value_text(env.value)));
  }
  label = "secrets";
  for (const Value& secret : task.secrets) row(out, std::exchange(label, ""), secret.name);
  if (!task.setup.empty()) script_rows(out, "setup", task.setup);
  script_rows(out, "run", task.run);
  return out;
}

}  // namespace

std::string choice_text(const Choice& choice) {
  std::vector<std::string> parts;
  const Resources& ask = choice.per_node;
  if (ask.cpu_milli > 0) {
    parts.push_back(fmt::format("{} CPU{}{}", count_text(static_cast<double>(ask.cpu_milli) / 1000),
                                ask.cpu_milli == 1000 ? "" : "s",
                                choice.cpus_at_least ? " or more" : ""));
  }
  if (ask.memory_bytes > 0) {
    parts.push_back(fmt::format("{} memory{}", format_size(ask.memory_bytes),
                                choice.memory_at_least ? " or more" : ""));
  }
  if (choice.gpus_exact > 0) {
    parts.push_back(fmt::format("{} × {}", count_text(choice.gpus_exact), ask.gpu_type));
  }
  if (parts.empty()) parts.emplace_back("nothing in particular");
  return fmt::format("{}", fmt::join(parts, ", "));
}

std::string plan_text(const Plan& plan, const std::vector<Diagnostic>& warnings) {
  std::string out;
  if (plan.tasks.size() > 1) {
    out +=
        fmt::format("{}{}{}: {} tasks\n", plan.order == TaskOrder::kSerial ? "pipeline" : "group",
                    plan.name.empty() ? "" : " ", plan.name, plan.tasks.size());
  }
  for (const TaskPlan& task : plan.tasks) out += task_text(task);
  for (const Diagnostic& d : warnings) {
    if (d.severity != Severity::kWarning) continue;
    const std::string where = d.line == 0 ? "" : fmt::format("line {}: ", d.line);
    out += fmt::format("note: {}{}{}\n", where, d.message, d.hint.empty() ? "" : "; " + d.hint);
  }
  return plan.redactions.apply(out);
}

}  // namespace devrun::launch
