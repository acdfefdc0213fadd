#include "controller/rpc/check_submit.h"

#include <fmt/format.h>

#include <algorithm>

#include "common/base/units.h"
#include "common/model/ending.h"
#include "common/model/fits.h"
#include "common/model/labels.h"
#include "common/model/limits.h"
#include "common/model/sweep.h"
#include "common/wire/job.h"
#include "controller/core/alternatives.h"
#include "controller/core/state.h"
#include "controller/rpc/path_kinds.h"

namespace devrun::controller {

namespace {

constexpr size_t kNameBytesMax = 128;
constexpr size_t kPathBytesMax = 4095;
constexpr size_t kGroupsMax = 256;
constexpr size_t kAfterMax = 256;
constexpr size_t kGpuTypeBytesMax = 63;
constexpr Duration kTimeLimitMax = seconds(10LL * 365 * 24 * 3600);
constexpr size_t kRetryOnMax = 64;
constexpr size_t kSweepBytesMax = 1 << 20;
constexpr size_t kPortRangesMax = 64;
constexpr size_t kNotesMax = 16;
constexpr size_t kNoteBytesMax = 512;
constexpr uint32_t kGroupMax = 64;
constexpr uint32_t kSeveralMax = 1024;
constexpr int64_t kDefaultCpuMilli = 1000;

template <typename... Args>
Error invalid(fmt::format_string<Args...> format, Args&&... args) {
  return {Code::kInvalid, fmt::format(format, std::forward<Args>(args)...), {}};
}

bool has_nul(const std::string& text) {
  return text.find('\0') != std::string::npos;
}

Status check_request_id(const std::string& id) {
  const auto good = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '-'; };
  if (id.empty() || id.size() > 64 || !std::all_of(id.begin(), id.end(), good)) {
    return invalid("request_id '{}': expected 1 to 64 letters, digits and dashes", id);
  }
  return ok();
}

Status check_env(const std::string& env) {
  if (env.size() > kEnvBytesMax) {
    return Error{Code::kInvalid,
                 fmt::format("the environment has {} bytes, at most {} can be sent", env.size(),
                             kEnvBytesMax),
                 "unset the large variables, or put their values in files"};
  }
  if (!env.empty() && env.back() != '\0') return invalid("env: expected a NUL after each variable");
  for (size_t at = 0; at < env.size();) {
    const size_t end = env.find('\0', at);
    const size_t equals = env.find('=', at);
    if (equals == std::string::npos || equals > end || equals == at) {
      return invalid("environment variable '{}': expected NAME=VALUE",
                     env.substr(at, std::min<size_t>(end - at, 40)));
    }
    at = end + 1;
  }
  return ok();
}

Status check_words(const std::vector<std::string>& words, const char* what) {
  size_t bytes = 0;
  for (const std::string& word : words) {
    if (has_nul(word)) return invalid("{}: an argument contains a NUL byte", what);
    if (word.size() > kArgumentBytesMax) {
      return Error{Code::kInvalid,
                   fmt::format("{}: an argument has {} bytes, Linux takes at most {}", what,
                               word.size(), kArgumentBytesMax),
                   "put it in a file"};
    }
    bytes += word.size() + 1;
  }
  if (bytes > kArgvBytesMax) {
    return Error{Code::kInvalid,
                 fmt::format("{} has {} bytes, at most {} can be sent", what, bytes, kArgvBytesMax),
                 "put the arguments in a file"};
  }
  return ok();
}

Status check_program(const Program& program) {
  if (program.argv.empty() || program.argv[0].empty()) return invalid("there is no command to run");
  TRY(check_words(program.argv, "the command"));
  TRY(check_words(program.setup, "setup"));
  if (program.cwd.empty() || program.cwd[0] != '/' || has_nul(program.cwd) ||
      program.cwd.size() > kPathBytesMax) {
    return invalid("cwd '{}': expected an absolute path", program.cwd.substr(0, 100));
  }
  if (!program.sealed_env.empty()) return invalid("spec.program.sealed_env must be empty");
  if (program.caller.groups.size() > kGroupsMax) {
    return invalid("{} groups, at most {}", program.caller.groups.size(), kGroupsMax);
  }
  if (program.caller.umask > 0777) return invalid("umask {:o}: at most 777", program.caller.umask);
  return ok();
}

Status check_need(const Resources& need) {
  if (need.cpu_milli < 0 || need.memory_bytes < 0 || need.gpus < 0) {
    return invalid("resources cannot be negative");
  }
  if (need.memory_bytes != 0 && need.memory_bytes < kMemoryBytesMin) {
    return invalid("{} of memory is less than {}, the least that a job can have",
                   format_size(need.memory_bytes), format_size(kMemoryBytesMin));
  }
  if (need.gpus == 0 && !need.gpu_type.empty()) {
    return invalid("a GPU type without GPUs: expected --gpus N:{}", need.gpu_type);
  }
  if (need.gpu_milli < 0 || need.gpu_milli > 999 || (need.gpu_milli != 0 && need.gpus != 1)) {
    return invalid("a share of {} thousandths of {} GPUs: expected 1 to 999 of one", need.gpu_milli,
                   need.gpus);
  }
  if (need.gpu_memory_bytes < 0 || (need.gpus == 0 && need.gpu_memory_bytes != 0)) {
    return invalid("memory of GPUs without GPUs: expected --gpus N with --gpu-memory");
  }
  if (need.extras.size() > kLabelsMax) {
    return invalid("{} kinds of resources: at most {}", need.extras.size(), kLabelsMax);
  }
  for (const auto& [name, amount] : need.extras) {
    if (!is_label_word(name) || amount <= 0) {
      return invalid("resource '{}': expected a name, and a number of it from 1", name);
    }
  }
  if (need.gpu_type.size() > kGpuTypeBytesMax || has_control_characters(need.gpu_type)) {
    return invalid("the type of GPU is no name: expected one such as H100");
  }
  return ok();
}

Status check_resources(const JobSpec& spec) {
  TRY(check_need(spec.per_node));
  for (const auto* labels : {&spec.labels, &spec.node_labels}) {
    if (labels->size() > kLabelsMax) {
      return invalid("{} labels: at most {}", labels->size(), kLabelsMax);
    }
    for (const auto& [key, value] : *labels) {
      if (!is_label_word(key) || !is_label_word(value)) {
        return invalid("label '{}={}': expected 1 to 63 letters, digits, '-', '_', '.' and '/'",
                       key, value);
      }
    }
  }
  if (spec.nodes > kRanksMax) return invalid("{} nodes: at most {}", spec.nodes, kRanksMax);
  if (spec.time_limit.us < 0) return invalid("the time limit cannot be negative");
  if (spec.time_limit > kTimeLimitMax) {
    return invalid("a time limit of more than {}: leave it away for none",
                   format_duration(kTimeLimitMax));
  }
  if (!spec.pool.empty() && !is_label_word(spec.pool)) {
    return invalid("the pool is no name: expected 1 to 63 letters, digits, '-', '_', '.' and '/'");
  }
  if (spec.disconnect_grace.us < 0) return invalid("disconnect_grace cannot be negative");
  if (dependencies(spec).size() > kAfterMax) {
    return invalid("{} jobs to wait for: at most {}", dependencies(spec).size(), kAfterMax);
  }
  return ok();
}

// Of which the job asks for one.
Status check_alternatives(const JobSpec& spec) {
  const std::vector<Resources>& all = spec.alternatives;
  if (all.empty()) return ok();
  if (spec.dev_container || all.size() > kAlternativesMax) {
    return invalid("{} alternatives: at most {}, and none of a dev container", all.size(),
                   kAlternativesMax);
  }
  for (const Resources& one : all) TRY(check_need(one));
  if (std::count(all.begin(), all.end(), spec.per_node) == 0) {
    return invalid("alternatives, and what is asked for is none of them");
  }
  return ok();
}

Status check_several(const JobSpec& spec) {
  const Several& several = spec.several;
  const bool alone = several == Several{};
  if (alone || (several.size <= kSeveralMax && several.index < several.size)) return ok();
  return invalid("number {} of {} tasks: at most {}", several.index, several.size, kSeveralMax);
}

// `words`: "to retry on".
Status check_statuses(const std::vector<int32_t>& statuses, std::string_view words) {
  if (statuses.size() > kRetryOnMax) {
    return invalid("{} statuses {}: at most {}", statuses.size(), words, kRetryOnMax);
  }
  for (const int32_t status : statuses) {
    if (status < 1 || status > 255) {
      return invalid("status {} {}: expected 1 to 255", status, words);
    }
  }
  return ok();
}

Status check_retries(const JobSpec& spec) {
  if (spec.retries > kRetriesMax)
    return invalid("{} retries: at most {}", spec.retries, kRetriesMax);
  if (spec.retries == 0 && !spec.retry_on.empty()) {
    return invalid("statuses to retry on, without retries: expected --retries N with --retry-on");
  }
  TRY(check_statuses(spec.retry_on, "to retry on"));
  TRY(check_statuses(spec.retry_always_on, "to retry on in any case"));
  const bool again = is_run_again(spec);
  if (again && spec.dev_container) return invalid("a dev container is not run again");
  if (again && (spec.program.reads_stdin || spec.program.tty)) {
    return invalid("a job that may be run again has no stdin: what one attempt took is gone");
  }
  if (spec.warn_signal == 0) return ok();
  if (spec.warn_signal < 1 || spec.warn_signal > 64) {
    return Error{Code::kInvalid, fmt::format("there is no signal {}", spec.warn_signal), "kill -l"};
  }
  if (spec.time_limit.us == 0 || spec.warn_before.us < 0 || spec.warn_before > spec.time_limit) {
    return invalid(
        "a signal before the time limit: expected --time, and no more than that before it");
  }
  return ok();
}

Status check_array(const JobSpec& spec) {
  if (spec.array.empty()) return ok();
  for (const ArrayRange& range : spec.array) {
    if (range.first < 0 || range.last < range.first || range.step < 1) {
      return invalid("array range {}-{}:{}: expected FIRST-LAST[:STEP] with FIRST <= LAST",
                     range.first, range.last, range.step);
    }
  }
  if (array_size(spec) > kArrayTasksMax) {
    return invalid("the array has {} tasks, at most {}", array_size(spec), kArrayTasksMax);
  }
  return ok();
}

Status check_told(const JobSpec& spec) {
  if (!spec.sweep.empty()) {
    const uint64_t points = sweep_points(spec.sweep, kArrayTasksMax);
    const bool from_0 =
        spec.array.size() == 1 && spec.array[0].first == 0 && spec.array[0].step == 1;
    if (points == kNoPoints || points != array_size(spec) || !from_0) {
      return invalid("a sweep of {} points is an array of as many tasks from 0", points);
    }
    size_t bytes = 0;
    for (const SweepVariable& variable : spec.sweep) {
      const bool named =
          !variable.name.empty() && variable.name.find_first_of({"=\0", 2}) == std::string::npos;
      if (!named) return invalid("a variable of the sweep has no name that a variable can have");
      for (const std::string& value : variable.values) {
        if (has_nul(value)) return invalid("a value of {} holds a NUL", variable.name);
        bytes += value.size() + 1;
      }
    }
    if (bytes > kSweepBytesMax) {
      return invalid("the sweep's values have {} bytes, at most {}", bytes, kSweepBytesMax);
    }
  }
  if (spec.ports.size() > kPortRangesMax) {
    return invalid("{} ranges of ports: at most {}", spec.ports.size(), kPortRangesMax);
  }
  if (spec.notes.size() > kNotesMax) {
    return invalid("{} notes: at most {}", spec.notes.size(), kNotesMax);
  }
  for (const auto& [heading, text] : spec.notes) {
    if (!is_label_word(heading) || text.size() > kNoteBytesMax || has_control_characters(text)) {
      return invalid("note '{}': expected one line of at most {} bytes", heading, kNoteBytesMax);
    }
  }
  return ok();
}

Status check_group(const JobSpec& spec) {
  const Group& group = spec.group;
  if (group.size == 0) return ok();
  const bool named = is_label_word(group.name) && is_label_word(group.task);
  if (group.size > kGroupMax || !named) {
    return invalid(
        "a group: expected at most {} jobs, with names of 1 to 63 letters, digits, '-', "
        "'_', '.' and '/'",
        kGroupMax);
  }
  if (!spec.array.empty() || spec.dev_container || is_run_again(spec)) {
    return invalid("a job of a group is no array, no dev container, and is not run again");
  }
  if (spec.program.setup.empty()) {
    return invalid("a job of a group has a setup, at whose end it waits for the others");
  }
  return ok();
}

Status check_results(const JobSpec& spec) {
  const bool says_something = spec.results != Results::kHome || spec.fresh || !spec.paths.empty();
  if (spec.dev_container && says_something) {
    return invalid("a dev container writes to the live volume: it has no results to bring home");
  }
  return ok();
}

Status check_dev_container(const JobSpec& spec) {
  if (spec.root.live != spec.dev_container) {
    return invalid("only a dev container runs in the live tree, and it always does");
  }
  if (spec.dev_container && (spec.nodes > 1 || !spec.array.empty() || spec.time_limit.us != 0)) {
    return invalid("a dev container is one, and lives until it is ended: no array, nodes or time");
  }
  const bool wants_more = spec.per_node.gpus != 0 || !spec.per_node.extras.empty() ||
                          !spec.pool.empty() || !spec.node_labels.empty();
  if (lives_on_storage_host(spec) && wants_more) {
    return invalid("a dev container with GPUs, a pool or labels asks for a node: label {}={}",
                   kLiveLabel, kLiveValue);
  }
  return ok();
}

}  // namespace

Status check_session(const devrun::v1::SessionStart& session, bool dev_container) {
  const auto good = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  };
  const std::string& id = session.id();
  if (id.size() < 16 || id.size() > 64 || !std::all_of(id.begin(), id.end(), good)) {
    return invalid("session.id: expected 16 to 64 of [a-z0-9-]");
  }
  TRY(check_env(session.env()));
  if (!session.has_program()) return ok();
  Program program = wire::from_proto(session.program());
  if (!program.setup.empty()) return invalid("a session has no setup step");
  if (!dev_container && program.cwd.empty()) program.cwd = "/";  // the job's
  return check_program(program);
}

Result<JobSpec> check_again(const devrun::v1::SubmitRequest& request, const JobSpec& old) {
  TRY(check_request_id(request.request_id()));
  if (old.dev_container) {
    return Error{
        Code::kInvalid,
        fmt::format("job {} is a dev container, which is not run again", request.again().job()),
        "devrun shell " + old.root.volume};
  }
  if (!request.env().empty() || !request.snapshot().empty()) {
    return invalid("a job that is run again has that job's environment and snapshot");
  }
  const Program asked = wire::from_proto(request.spec().program());
  JobSpec spec = old;
  spec.group = {};  // the others of its group have had their time
  spec.several = {};
  if (!asked.argv.empty()) spec.program.argv = asked.argv;
  spec.program.tty = asked.tty;
  spec.program.terminal = asked.terminal;
  spec.program.reads_stdin = asked.reads_stdin;
  if (request.again().has_task()) {
    const int32_t task = request.again().task();
    if (!array_has(old, task)) {
      return Error{Code::kNotFound,
                   fmt::format("job {} has no task {}", request.again().job(), task),
                   fmt::format("devrun show {}", request.again().job())};
    }
    spec.array = {{task, task, 1}};
  }
  Program unsealed = spec.program;
  unsealed.sealed_env.clear();
  TRY(check_program(unsealed));
  TRY(check_retries(spec));
  return spec;
}

Result<JobSpec> check_submit(const devrun::v1::SubmitRequest& request) {
  TRY(check_request_id(request.request_id()));
  JobSpec spec = TRY(wire::from_proto(request.spec()));
  if (!spec.root.tree.is_zero() || !spec.root.change_sets.empty() ||
      !spec.root.volume_tree.is_zero()) {
    return invalid("spec.root.tree is the controller's to fill in");
  }
  spec.live_volumes.clear();  // likewise
  if (spec.nodes == 0) spec.nodes = 1;
  if (spec.dev_container) {
    // It runs what its sessions bring, each with a caller of its own.
    spec.program = Program{};
    spec.program.argv = {"shell"};
    spec.program.cwd = "/";
    spec.program.caller = Caller{0, 0, {}, 022, "root", "/root"};
  }
  TRY(check_program(spec.program));
  TRY(check_env(request.env()));
  TRY(check_resources(spec));
  TRY(check_alternatives(spec));
  TRY(check_retries(spec));
  TRY(check_array(spec));
  TRY(check_dev_container(spec));
  TRY(check_live_paths(spec.paths));
  TRY(check_results(spec));
  TRY(check_told(spec));
  TRY(check_group(spec));
  TRY(check_several(spec));
  if (spec.name.empty()) {
    const std::string& program = spec.program.argv[0];
    spec.name = program.substr(program.rfind('/') + 1).substr(0, kNameBytesMax);
    if (spec.name.empty()) spec.name = program.substr(0, kNameBytesMax);
    std::replace_if(
        spec.name.begin(), spec.name.end(),
        [](char c) {
          return has_control_characters({&c, 1});
        },
        '?');
  }
  if (spec.name.size() > kNameBytesMax || has_nul(spec.name)) {
    return invalid("the job's name has {} bytes, at most {}", spec.name.size(), kNameBytesMax);
  }
  if (has_control_characters(spec.name)) {
    return invalid("the job's name contains control characters: expected one line of text");
  }
  if (spec.per_node.cpu_milli == 0 && !lives_on_storage_host(spec)) {
    spec.per_node.cpu_milli = kDefaultCpuMilli;
  }
  for (Resources& one : spec.alternatives) {
    if (one.cpu_milli == 0) one.cpu_milli = kDefaultCpuMilli;
  }
  return spec;
}

}  // namespace devrun::controller
