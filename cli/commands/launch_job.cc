#include "cli/commands/launch_job.h"

#include <fmt/format.h>

#include <algorithm>

#include "cli/client/caller.h"
#include "cli/launch/plan_mounts.h"
#include "cli/launch/script.h"
#include "common/model/labels.h"
#include "common/model/limits.h"

namespace devrun::cli {

namespace {

constexpr size_t kNoteBytesMax = 500;

// As SkyPilot's managed jobs: a lost node is always recovered from, and so is what ended with one of the listed statuses; of
// other failures `max_restarts_on_errors` many are. Strategies choose among clouds.
void ask_for_retries(const launch::JobRecovery& recovery, JobSpec& spec) {
  const int64_t restarts = recovery.max_restarts_on_errors.value_or(0);
  spec.retries = static_cast<uint32_t>(std::min<int64_t>(restarts, kRetriesMax));
  spec.retry_lost = true;
  for (const int32_t status : recovery.recover_on_exit_codes) {
    const bool known = std::ranges::count(spec.retry_always_on, status) != 0;
    if (status > 0 && status < 256 && !known) spec.retry_always_on.push_back(status);
  }
}

void note(JobSpec& spec, const char* heading, std::string text) {
  if (text.empty()) return;
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) c = ' ';
  }
  spec.notes[heading] = text.substr(0, kNoteBytesMax);
}

// Values of secrets are in none of these.
void add_notes(const TaskWish& wish, JobSpec& spec) {
  const Member& member = wish.member;
  if (!member.whole.empty()) {
    note(spec, member.in_group ? "task" : "stage",
         fmt::format("{} of {} of {}", member.index + 1, member.count, member.whole));
  }
  note(spec, "image", wish.task.asks.image);
  note(spec, "ready", wish.task.probe);
  if (wish.task.git) note(spec, "cloned", wish.task.git->shown);
}

void add_array(const launch::TaskPlan& task, JobSpec& spec) {
  if (task.array_tasks == 0) return;
  spec.array = {{0, static_cast<int32_t>(task.array_tasks) - 1, 1}};
  spec.array_running_max = task.array_running_max;
  spec.sweep = task.sweep;
}

}  // namespace

std::string name_of_file(const std::string& path) {
  std::string name = path.substr(path.rfind('/') + 1);
  const size_t dot = name.rfind('.');
  return dot == std::string::npos || dot == 0 ? name : name.substr(0, dot);
}

std::string plain_name(const std::string& name, const std::string& otherwise) {
  std::string out = launch::folder_name_of(name);
  std::replace(out.begin(), out.end(), '_', '-');
  return out.empty() ? otherwise : out;
}

Result<Submission> submission_of(const TaskWish& wish, const Context& context, bool in_container) {
  const launch::TaskPlan& task = wish.task;
  Submission out;
  out.request_id = TRY(new_request_id());
  JobSpec& spec = out.spec;
  spec.program.caller = TRY(capture_caller());
  const launch::Scripts scripts =
      TRY(launch::build_scripts(task, wish.places.workdir, wish.places.steps, !wish.no_setup));
  spec.name = wish.name;
  spec.root.volume = wish.places.volume;
  spec.program.argv = scripts.run.empty() ? std::vector<std::string>{"true"} : scripts.run;
  spec.program.setup = scripts.setup;
  spec.setup_once.fresh = wish.fresh_setup;
  // The scripts go to ~/sky_workdir by themselves; outside a volume the caller's own folder means nothing there.
  spec.program.cwd = in_container ? TRY(current_folder()) : "/";
  spec.per_node = task.asks.per_node;
  spec.alternatives = wish.alternatives;
  spec.nodes = task.nodes;
  spec.priority = task.asks.priority;
  spec.time_limit = task.time_limit;
  spec.paths = wish.places.paths;
  spec.after_ok = wish.places.after;
  spec.ports = task.asks.ports;
  if (task.asks.recovery && !wish.member.in_group) ask_for_retries(*task.asks.recovery, spec);
  if (const Member& member = wish.member; !member.whole.empty()) {
    spec.several = {member.leader, static_cast<uint32_t>(member.index),
                    static_cast<uint32_t>(member.count)};
  }
  add_array(task, spec);
  add_notes(wish, spec);
  if (const std::string& whole = wish.member.whole; is_label_word(whole)) {
    spec.labels[wish.member.in_group ? "group" : "pipeline"] = whole;
  }
  std::vector<std::string> settings;
  for (const launch::Value& value : scripts.env) settings.push_back(value.name + "=" + value.value);
  out.env = TRY(environment_block(context.surroundings.environment, settings));
  return out;
}

}  // namespace devrun::cli
