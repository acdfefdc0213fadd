#include "cli/launch/plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "cli/launch/plan_mounts.h"
#include "cli/launch/readers.h"
#include "cli/launch/substitute.h"
#include "common/base/shell_words.h"
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

bool is_swept(const Task& task, std::string_view name) {
  return task.sweep && std::any_of(task.sweep->variables.begin(), task.sweep->variables.end(),
                                   [name](const SweptVariable& v) { return v.name == name; });
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
    if (is_swept(task, variable.name) && env == nullptr) continue;
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

// `--env` of a variable that the sweep has leaves it that one value.
void resolve_sweep(const Task& task, const GivenValues& given, TaskPlan& out,
                   std::vector<Diagnostic>& diagnostics) {
  if (!task.sweep) return;
  const Sweep& sweep = *task.sweep;
  uint32_t tasks = static_cast<uint32_t>(sweep.array);
  if (!sweep.variables.empty()) tasks = 1;
  for (const SweptVariable& variable : sweep.variables) {
    if (find_value(out.secrets, variable.name) != nullptr) {
      diagnostics.push_back(
          error_at(variable.place,
                   fmt::format("devrun.sweep: {} is a secret, and points are shown", variable.name),
                   "sweep over another variable"));
    }
    const std::string* env = given_env(given, variable.name);
    SweepVariable planned{variable.name, variable.values};
    if (env != nullptr) planned.values = {*env};
    tasks *= static_cast<uint32_t>(planned.values.size());
    std::erase_if(out.envs, [&](const Value& value) { return value.name == variable.name; });
    out.sweep.push_back(std::move(planned));
  }
  out.array_tasks = tasks;
  out.array_running_max = static_cast<uint32_t>(sweep.max_running);
}

// A group's tasks find each other by their names.
void check_names(const TaskFile& file, std::vector<Diagnostic>& diagnostics) {
  if (file.order != TaskOrder::kParallel) return;
  std::vector<std::string_view> names;
  for (const Task& task : file.tasks) {
    const std::string& name = task.name.value;
    if (!name.empty() && std::count(names.begin(), names.end(), name) != 0) {
      diagnostics.push_back(error_at(task.name.place,
                                     fmt::format("two tasks of the group are called '{}'", name),
                                     "tasks of a group find each other by their names"));
    }
    names.push_back(name);
  }
}

bool is_primary(const TaskFile& file, const Task& task) {
  return file.primary_tasks.empty() ||
         std::any_of(file.primary_tasks.begin(), file.primary_tasks.end(),
                     [&](const Text& name) { return name.value == task.name.value; });
}

void check_primary(const TaskFile& file, std::vector<Diagnostic>& diagnostics) {
  for (const Text& name : file.primary_tasks) {
    const bool known = std::any_of(file.tasks.begin(), file.tasks.end(),
                                   [&](const Task& task) { return task.name.value == name.value; });
    if (known) continue;
    std::vector<std::string_view> names;
    for (const Task& task : file.tasks) names.push_back(task.name.value);
    const auto near = nearest_word(name.value, names);
    diagnostics.push_back(error_at(name.place,
                                   fmt::format("primary_tasks: no task is called '{}'", name.value),
                                   near ? fmt::format("did you mean '{}'?", *near) : ""));
  }
}

void check_several(const TaskFile& file, std::vector<Diagnostic>& diagnostics) {
  if (file.tasks.size() < 2) return;
  check_names(file, diagnostics);
  check_primary(file, diagnostics);
  for (const Task& task : file.tasks) {
    if (file.order == TaskOrder::kParallel && task.alternatives.front().recovery) {
      diagnostics.push_back(unsupported_at(
          task.name.place,
          "'resources.job_recovery' has no effect: a task of a group is not run again, since the "
          "others have begun with it"));
    }
    const bool is_array = task.sweep && (task.sweep->array > 0 || !task.sweep->variables.empty());
    if (is_array && file.order == TaskOrder::kParallel) {
      diagnostics.push_back(error_at(task.sweep->place, "a task of a group cannot be an array",
                                     "a file of its own for it; or num_nodes"));
    }
  }
}

void set_gpus(Choice& out, const GpuRequest& gpu) {
  out.per_node.gpu_type = gpu.type;
  out.per_node.gpus = static_cast<int32_t>(std::ceil(gpu.count));
  out.per_node.gpu_milli =
      gpu.count < 1 ? std::clamp(static_cast<int32_t>(gpu.count * 1000 + 0.5), 1, 999) : 0;
  out.gpus_exact = gpu.count;
}

Choice choice_of(const ResourceRequest& request) {
  Choice out;
  if (request.cpus) {
    out.per_node.cpu_milli = request.cpus->milli;
    out.cpus_at_least = request.cpus->at_least;
  }
  if (request.memory) {
    out.per_node.memory_bytes = request.memory->bytes;
    out.memory_at_least = request.memory->at_least;
  }
  out.recovery = request.recovery;
  out.priority = request.priority.value_or(0);
  out.image = request.image;
  out.ports = request.ports;
  return out;
}

// Alternatives that differ in what is only noted, as in their clouds, are one.
void keep_choices(std::vector<Choice> found, TaskPlan& out) {
  out.choices.clear();
  for (Choice& one : found) {
    if (std::find(out.choices.begin(), out.choices.end(), one) == out.choices.end()) {
      out.choices.push_back(std::move(one));
    }
  }
  out.asks = out.choices.front();
}

void find_choices(const Task& task, TaskPlan& out) {
  std::vector<Choice> found;
  for (const ResourceRequest& request : task.alternatives) {
    const Choice plain = choice_of(request);
    if (request.gpus.empty()) found.push_back(plain);
    for (const GpuRequest& gpu : request.gpus) {
      found.push_back(plain);
      set_gpus(found.back(), gpu);
    }
  }
  keep_choices(std::move(found), out);
}

// Ports of the service are those of every choice.
void add_ports(const PortRange& ports, TaskPlan& out) {
  std::vector<Choice> all = std::move(out.choices);
  for (Choice& one : all) {
    if (std::find(one.ports.begin(), one.ports.end(), ports) == one.ports.end()) {
      one.ports.push_back(ports);
    }
  }
  keep_choices(std::move(all), out);
}

void resolve_service(const Task& task, const VariableLookup& lookup, TaskPlan& out) {
  if (!task.service) return;
  const Service& service = *task.service;
  for (const PortRange& ports : service.ports) add_ports(ports, out);
  if (service.probe_path.empty()) return;
  out.probe = fmt::format("{} {}", service.probe_post.empty() ? "GET" : "POST",
                          substitute(service.probe_path, lookup).shown);
  const std::vector<PortRange>& open = out.asks.ports;
  if (!open.empty()) out.probe += fmt::format(" on port {}", open.front().first);
  if (service.initial_delay_seconds > 0) {
    out.probe += fmt::format(", from {} s on", service.initial_delay_seconds);
  }
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
  out.time_limit = overrides.time_limit;
  std::optional<GpuRequest> gpu;
  if (!overrides.gpus.empty()) {
    gpu = parse_gpu(overrides.gpus);
    if (!gpu) {
      diagnostics.push_back(error_at(
          {}, fmt::format("--gpus: expected a type and a count, found '{}'", overrides.gpus),
          "--gpus H100:8"));
    }
  }
  std::vector<Choice> all = std::move(out.choices);
  for (Choice& one : all) {
    if (overrides.cpu_milli) {
      one.per_node.cpu_milli = *overrides.cpu_milli;
      one.cpus_at_least = false;
    }
    if (overrides.memory_bytes) {
      one.per_node.memory_bytes = *overrides.memory_bytes;
      one.memory_at_least = false;
    }
    if (gpu) set_gpus(one, *gpu);
  }
  keep_choices(std::move(all), out);
}

TaskPlan resolve_task(const Task& task, const GivenValues& given,
                      std::vector<Diagnostic>& diagnostics) {
  TaskPlan out;
  out.name = task.name.value;
  out.nodes = static_cast<uint32_t>(task.nodes);
  out.setup = task.setup.value;
  out.run = task.run.value;
  find_choices(task, out);
  resolve_secrets(task, given, out, diagnostics);
  resolve_envs(task, given, out, diagnostics);
  resolve_sweep(task, given, out, diagnostics);
  const VariableLookup lookup = [&](std::string_view name) -> std::optional<VariableValue> {
    if (const auto* value = find_value(out.secrets, name)) return VariableValue{*value, true};
    if (const auto* value = find_value(out.envs, name)) return VariableValue{*value, false};
    return std::nullopt;
  };
  const Substituted workdir = substitute(task.workdir.value, lookup);
  out.workdir = workdir.value;
  out.workdir_shown = workdir.shown;
  out.workdir_place = task.workdir.place;
  if (task.git) {
    const Substituted url = substitute(task.git->url.value, lookup);
    const Substituted ref = substitute(task.git->ref.value, lookup);
    out.git =
        PlannedGit{url.value, ref.value, url.shown + (ref.shown.empty() ? "" : " at " + ref.shown)};
  }
  out.mounts = plan_mounts(task, lookup, diagnostics);
  resolve_service(task, lookup, out);
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
  check_several(file, out.diagnostics);
  for (const Task& task : file.tasks) {
    note_no_run(task, out.diagnostics);
    TaskPlan resolved = resolve_task(task, given, out.diagnostics);
    resolved.secondary = !is_primary(file, task);
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
