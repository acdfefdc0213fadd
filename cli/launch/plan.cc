#include "cli/launch/plan.h"

#include <fmt/format.h>

#include <cmath>

#include "cli/launch/readers.h"
#include "cli/launch/substitute.h"
#include "cli/launch/variable_name.h"
#include "common/base/suggest.h"

namespace devrun::launch {

namespace {

const std::string* find_value(const std::vector<Value>& values, std::string_view name) {
  for (const Value& value : values) {
    if (value.name == name) return &value.value;
  }
  return nullptr;
}

const std::string* given_env(const GivenValues& given, std::string_view name) {
  for (const auto& [known, value] : given.envs) {
    if (known == name) return &value;
  }
  return nullptr;
}

bool declared(const std::vector<Variable>& variables, std::string_view name) {
  return std::any_of(variables.begin(), variables.end(),
                     [name](const Variable& v) { return v.name == name; });
}

void missing(std::vector<Diagnostic>& diagnostics, const Variable& variable, bool secret) {
  const int length = static_cast<int>(variable.name.size());
  const std::string_view what = secret ? "secret" : "variable";
  const std::string_view flag = secret ? "--secret" : "--env";
  diagnostics.push_back(error_at({variable.place.line, variable.place.column, length},
                                 fmt::format("the {} {} needs a value", what, variable.name),
                                 fmt::format("{} {}=…", flag, variable.name)));
}

// A name that is a secret anywhere is one however its value comes: `--env TOKEN=x` of a secret TOKEN
// stays hidden, `--secret TOKEN` hides an env of the file.
void resolve_secrets(const Task& task, const GivenValues& given, TaskPlan& out,
                     std::vector<Diagnostic>& diagnostics) {
  for (const Variable& variable : task.secrets) {
    const auto secret = given.secrets.find(variable.name);
    const std::string* env = given_env(given, variable.name);
    if (secret != given.secrets.end()) {
      out.secrets.push_back({variable.name, secret->second});
    } else if (env != nullptr) {
      out.secrets.push_back({variable.name, *env});
    } else if (variable.value) {
      out.secrets.push_back({variable.name, *variable.value});
    } else {
      missing(diagnostics, variable, true);
    }
  }
  for (const auto& [name, value] : given.secrets) {
    if (find_value(out.secrets, name) == nullptr) out.secrets.push_back({name, value});
  }
}

void resolve_envs(const Task& task, const GivenValues& given, TaskPlan& out,
                  std::vector<Diagnostic>& diagnostics) {
  const auto secret = [&](const std::string& name) {
    return find_value(out.secrets, name) != nullptr || declared(task.secrets, name);
  };
  for (const Variable& variable : task.envs) {
    if (secret(variable.name)) continue;
    const std::string* env = given_env(given, variable.name);
    if (env != nullptr) {
      out.envs.push_back({variable.name, *env});
    } else if (variable.value) {
      out.envs.push_back({variable.name, *variable.value});
    } else {
      missing(diagnostics, variable, false);
    }
  }
  for (const auto& [name, value] : given.envs) {
    if (!secret(name) && find_value(out.envs, name) == nullptr) out.envs.push_back({name, value});
  }
}

// `--env WHOMM=x` of a file that has WHOM sets a new variable, as it may: but it is seldom meant.
void note_misspelt(const TaskFile& file, const Overrides& overrides,
                   std::vector<Diagnostic>& diagnostics) {
  std::vector<std::string_view> names;
  for (const Task& task : file.tasks) {
    for (const Variable& v : task.envs) names.push_back(v.name);
    for (const Variable& v : task.secrets) names.push_back(v.name);
  }
  const auto note = [&](std::string_view flag, const std::vector<std::string>& given) {
    const auto is_given = [&](std::string_view name) {
      return std::any_of(given.begin(), given.end(), [&](const std::string& other) {
        return std::string_view(other).substr(0, other.find('=')) == name;
      });
    };
    for (const std::string& one : given) {
      const std::string name = one.substr(0, one.find('='));
      if (!is_variable_name(name) || std::count(names.begin(), names.end(), name) != 0) continue;
      const auto near = nearest_word(name, names);
      if (!near || is_given(*near)) continue;
      diagnostics.push_back(
          warning_at({},
                     fmt::format("{} {}: the file has no variable of that name, so it is a new one",
                                 flag, name),
                     fmt::format("did you mean {}?", *near)));
    }
  };
  note("--env", overrides.envs);
  note("--secret", overrides.secrets);
}

void note_no_run(const Task& task, std::vector<Diagnostic>& diagnostics) {
  if (!task.run.value.empty()) return;
  const std::string whose =
      task.name.value.empty() ? "the task" : fmt::format("the task '{}'", task.name.value);
  diagnostics.push_back(
      warning_at({},
                 fmt::format("{} has no 'run': {}", whose,
                             task.setup.value.empty() ? "nothing is run" : "only its setup is run"),
                 "add a line such as 'run: python train.py'"));
}

void set_gpus(TaskPlan& out, const GpuRequest& gpu) {
  out.per_node.gpu_type = gpu.type;
  out.per_node.gpus = static_cast<int32_t>(std::ceil(gpu.count));
  out.gpus_exact = gpu.count;
}

void choose_resources(const Task& task, TaskPlan& out) {
  const ResourceRequest& chosen = task.alternatives.front();
  out.alternatives = 0;
  for (const ResourceRequest& request : task.alternatives) {
    out.alternatives += std::max<size_t>(request.gpus.size(), 1);
  }
  if (chosen.cpus) {
    out.per_node.cpu_milli = chosen.cpus->milli;
    out.cpus_at_least = chosen.cpus->at_least;
  }
  if (chosen.memory) {
    out.per_node.memory_bytes = chosen.memory->bytes;
    out.memory_at_least = chosen.memory->at_least;
  }
  if (!chosen.gpus.empty()) set_gpus(out, chosen.gpus.front());
  out.recovery = chosen.recovery;
  out.priority = chosen.priority.value_or(0);
}

void apply_flags(const Overrides& overrides, TaskPlan& out, std::vector<Diagnostic>& diagnostics) {
  if (overrides.nodes) {
    if (*overrides.nodes < 1 || *overrides.nodes > kTaskNodesMax) {
      diagnostics.push_back(error_at(
          {}, fmt::format("--nodes: expected a whole number from 1 to {}", kTaskNodesMax)));
    } else {
      out.nodes = static_cast<uint32_t>(*overrides.nodes);
    }
  }
  if (!overrides.gpus.empty()) {
    if (const auto gpu = parse_gpu(overrides.gpus)) {
      set_gpus(out, *gpu);
      out.alternatives = 1;
    } else {
      diagnostics.push_back(error_at(
          {}, fmt::format("--gpus: expected a type and a count, found '{}'", overrides.gpus),
          "--gpus H100:8"));
    }
  }
}

TaskPlan resolve_task(const Task& task, const GivenValues& given,
                      std::vector<Diagnostic>& diagnostics) {
  TaskPlan out;
  out.name = task.name.value;
  out.nodes = static_cast<uint32_t>(task.nodes);
  out.setup = task.setup.value;
  out.run = task.run.value;
  choose_resources(task, out);
  resolve_secrets(task, given, out, diagnostics);
  resolve_envs(task, given, out, diagnostics);
  const Substituted workdir =
      substitute(task.workdir.value, [&](std::string_view name) -> std::optional<VariableValue> {
        if (const auto* value = find_value(out.secrets, name)) return VariableValue{*value, true};
        if (const auto* value = find_value(out.envs, name)) return VariableValue{*value, false};
        return std::nullopt;
      });
  out.workdir = workdir.value;
  out.workdir_shown = workdir.shown;
  return out;
}

}  // namespace

std::vector<Diagnostic> missing_values(const TaskFile& file, const Overrides& overrides) {
  std::vector<Diagnostic> out;
  const GivenValues given = read_given(overrides, out);
  for (const Task& task : file.tasks) {
    TaskPlan unused;
    resolve_secrets(task, given, unused, out);
    resolve_envs(task, given, unused, out);
  }
  file.redactions.apply(out);
  return out;
}

Resolution resolve(const TaskFile& file, const Overrides& overrides) {
  Resolution out;
  Plan plan{.name = file.name, .order = file.order, .tasks = {}, .redactions = file.redactions};
  const GivenValues given = read_given(overrides, out.diagnostics);
  for (const auto& [name, value] : given.secrets) plan.redactions.add(value);
  std::vector<Diagnostic> flags;
  note_misspelt(file, overrides, out.diagnostics);
  for (const Task& task : file.tasks) {
    note_no_run(task, out.diagnostics);
    TaskPlan resolved = resolve_task(task, given, out.diagnostics);
    flags.clear();  // the same for every task
    apply_flags(overrides, resolved, flags);
    for (const Value& secret : resolved.secrets) plan.redactions.add(secret.value);
    plan.tasks.push_back(std::move(resolved));
  }
  out.diagnostics.insert(out.diagnostics.end(), flags.begin(), flags.end());
  if (!overrides.name.empty()) {
    (plan.tasks.size() == 1 ? plan.tasks.front().name : plan.name) = overrides.name;
  }
  plan.redactions.apply(out.diagnostics);
  sort_by_place(out.diagnostics);
  if (!has_errors(out.diagnostics)) out.plan = std::move(plan);
  return out;
}

}  // namespace devrun::launch
