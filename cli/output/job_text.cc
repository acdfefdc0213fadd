#include "cli/output/job_text.h"

#include <fmt/format.h>

#include <algorithm>

#include "cli/output/console.h"
#include "cli/output/results_text.h"
#include "cli/output/table.h"
#include "cli/output/text_parts.h"
#include "common/base/units.h"
#include "common/model/sweep.h"

namespace devrun::cli {

namespace {

constexpr size_t kCommandShownMax = 60;
constexpr size_t kNameShownMax = 16;
constexpr size_t kTasksShownMax = 100;
constexpr size_t kPointShownMax = 60;
constexpr size_t kStateColumn = 2;

// How long it has run, or ran.
std::string run_time(const Timeline& timeline, Time now) {
  if (timeline.started.us == 0) return "-";
  const Time until = timeline.ended.us != 0 ? timeline.ended : now;
  return format_duration(Duration{std::max<int64_t>(until.us - timeline.started.us, 0)});
}

std::string waited_text(const JobSpec& spec) {
  std::string out;
  const auto add = [&](const std::vector<JobId>& jobs, std::string_view how) {
    if (jobs.empty()) return;
    out += fmt::format("{}when {} {}", out.empty() ? "" : ", and ", fmt::join(jobs, ", "), how);
  };
  add(spec.after, "ended");
  add(spec.after_ok, "succeeded");
  add(spec.after_fail, "failed");
  return out;
}

std::string ports_text(const std::vector<PortRange>& ports) {
  std::vector<std::string> out;
  for (const PortRange& range : ports) {
    out.push_back(range.first == range.last ? fmt::format("{}", range.first)
                                            : fmt::format("{}-{}", range.first, range.last));
  }
  return fmt::format("{}", fmt::join(out, ", "));
}

// Of a task its point, of the whole the variables and how many values each has.
void add_sweep(std::string& out, const JobRecord& job) {
  if (job.spec.sweep.empty()) return;
  if (job.task != kNoTask) {
    return line(out, "point",
                printable(sweep_point_text(job.spec.sweep, static_cast<uint64_t>(job.task))));
  }
  std::vector<std::string> variables;
  for (const SweepVariable& variable : job.spec.sweep) {
    variables.push_back(fmt::format("{} ({})", variable.name, variable.values.size()));
  }
  line(out, "sweep", printable(fmt::format("{}", fmt::join(variables, " × "))));
}

// What it has from elsewhere.
void add_mounts(std::string& out, const PathRules& rules) {
  for (const PathRule& rule : rules) {
    if (rule.kind == PathKind::kBound) {
      line(out, "mount", printable(fmt::format("{}  from {}", rule.path, rule.source)));
    } else if (!rule.volume.empty()) {
      line(out, "mount", printable(fmt::format("{}  volume {}, live", rule.path, rule.volume)));
    }
  }
}

std::string status_text(const std::optional<Ending>& ending) {
  return ending ? fmt::format("{}", ending->status) : std::string("-");
}

struct Stage {
  std::string_view name;
  Time Timeline::*at;
};
constexpr Stage kStages[] = {
    {"snapshot", &Timeline::snapshot_taken}, {"journal", &Timeline::journaled},
    {"placed", &Timeline::placed},           {"on node", &Timeline::agent_received},
    {"mounted", &Timeline::mounted},         {"started", &Timeline::started},
    {"first byte", &Timeline::first_byte},   {"ended", &Timeline::ended}};

// Milliseconds after the submission, and the share of each stage.
std::string timeline_text(const Timeline& timeline) {
  if (timeline.submitted.us == 0) return {};
  Table table({"  stage", "at ms", "took ms"});
  Time before = timeline.submitted;
  for (const Stage& stage : kStages) {
    const Time at = timeline.*stage.at;
    if (at.us == 0) continue;
    const auto milliseconds = [](Duration span) {
      return fmt::format("{:.1f}", static_cast<double>(span.us) / 1000);
    };
    table.add({fmt::format("  {}", stage.name), milliseconds(at - timeline.submitted),
               milliseconds(at - before)});
    before = at;
  }
  return table.render();
}

// The job's own stages and those of the attempt, as one.
Timeline joined(const Timeline& job, const Timeline& attempt) {
  Timeline out = job;
  for (const Stage& stage : kStages) {
    if ((attempt.*stage.at).us != 0) out.*stage.at = attempt.*stage.at;
  }
  return out;
}

// Of several ranks each has its number, the first one, too.
std::string attempt_name(const JobRecord& job, const AttemptKey& key) {
  if (job.spec.nodes <= 1 || key.rank != 0) return to_string(key);
  return fmt::format("{}.0{}", to_string(key.task_key()),
                     key.attempt == 1 ? "" : fmt::format("#{}", key.attempt));
}

std::string usage_text(const Usage& usage) {
  std::string out = fmt::format("  used {} of CPU time", format_duration(usage.cpu));
  if (usage.memory_bytes > 0) out += fmt::format(", {} of memory", format_size(usage.memory_bytes));
  if (usage.memory_peak_bytes > 0) {
    const std::string peak = format_size(usage.memory_peak_bytes);
    out += usage.memory_bytes > 0 ? fmt::format(" ({} at most)", peak)
                                  : fmt::format(", at most {} of memory", peak);
  }
  return out + fmt::format(", read {}, wrote {}\n", format_size(usage.read_bytes),
                           format_size(usage.written_bytes));
}

void add_files(std::string& out, const std::vector<WrittenFile>& files) {
  for (const WrittenFile& file : files) out += "  " + file_line(file) + "\n";
}

std::string wrote_text(const WrittenSummary& wrote) {
  std::string out;
  if (!wrote.home) {
    if (wrote.files == 0) return out;
    out = fmt::format("  wrote {}, kept on {} in {}\n", files_and_size(wrote.files, wrote.bytes),
                      wrote.node, printable_path(wrote.folder));
    add_files(out, wrote.notable);
    return out;
  }
  const HomeSummary& home = *wrote.home;
  if (home.files > 0) out += fmt::format("  brought home {}\n", home_total(home));
  if (home.files > 1) add_files(out, home.notable);
  if (home.conflicts > 0) {
    out += fmt::format("  left in the change set, since changed in the volume meanwhile: {}\n",
                       home.conflicts);
    add_files(out, home.conflicting);
  }
  if (home.kept > 0) {
    out += fmt::format("  kept in the change set {}\n", files_and_size(home.kept, home.kept_bytes));
  }
  if (!home.failure.empty()) {
    out += fmt::format("  not (wholly) stored: {}; kept on {} in {}\n", printable(home.failure),
                       wrote.node, printable_path(wrote.folder));
  }
  return out;
}

std::string attempt_text(const JobRecord& job, const AttemptRecord& attempt) {
  std::string out =
      fmt::format("\nattempt {} on {}: {}", attempt_name(job, attempt.key),
                  attempt.node.empty() ? "no node yet" : attempt.node, state_name(attempt.state));
  if (!attempt.gpus.empty()) out += fmt::format(", GPU {}", fmt::join(attempt.gpus, ","));
  if (attempt.ending) out += fmt::format(", status {}", attempt.ending->status);
  out += fmt::format(", {} of output\n", format_size(attempt.output_bytes));
  if (attempt.ending && !attempt.ending->reason.empty()) {
    out += fmt::format("  {}\n", printable(attempt.ending->reason));
  }
  if (attempt.usage) out += usage_text(*attempt.usage);
  if (attempt.wrote) out += wrote_text(*attempt.wrote);
  return out + timeline_text(joined(job.timeline, attempt.timeline));
}

// Which of an array's attempts are shown first when there are too many.
int urgency(const AttemptRecord& attempt) {
  if (!is_final(attempt.state)) return 1;
  return attempt.state == JobState::kSucceeded ? 2 : 0;
}

// A line for each task.
std::string array_text(const JobRecord& job, Time now) {
  std::vector<const AttemptRecord*> shown;
  for (const AttemptRecord& attempt : job.attempts) shown.push_back(&attempt);
  std::ranges::stable_sort(shown, {}, [](const AttemptRecord* a) { return urgency(*a); });
  const size_t left_out = shown.size() - std::min(shown.size(), kTasksShownMax);
  shown.resize(shown.size() - left_out);
  std::ranges::sort(shown, {}, [](const AttemptRecord* a) { return a->key; });
  std::vector<std::string> head{"TASK", "STATE", "STATUS", "NODE", "TIME", "OUTPUT"};
  if (!job.spec.sweep.empty()) head.emplace_back("POINT");
  head.emplace_back("REASON");
  Table table(std::move(head));
  for (const AttemptRecord* attempt : shown) {
    std::vector<std::string> row{
        attempt_name(job, attempt->key),  std::string(state_name(attempt->state)),
        status_text(attempt->ending),     attempt->node.empty() ? "-" : attempt->node,
        run_time(attempt->timeline, now), format_size(attempt->output_bytes)};
    if (!job.spec.sweep.empty()) {
      row.push_back(shortened(
          printable(sweep_point_text(job.spec.sweep, static_cast<uint64_t>(attempt->key.task))),
          kPointShownMax));
    }
    row.push_back(attempt->ending ? attempt->ending->reason : "");
    table.add(std::move(row));
  }
  std::string out = shown.empty() ? "" : "\n" + table.render();
  if (left_out != 0) {
    out += fmt::format("and {} more: devrun show --json {}, or devrun show {}_N\n", left_out,
                       job.job, job.job);
  }
  return out;
}

// Of a gang: all its nodes, as far as they can be read.
std::string places_text(const JobRecord& job) {
  const AttemptRecord* newest = newest_attempt(job);
  if (newest == nullptr) return "-";
  std::vector<std::string> names;
  for (const AttemptRecord& attempt : job.attempts) {
    const bool is_known = attempt.node.empty() || std::ranges::count(names, attempt.node) != 0;
    if (attempt.key.attempt != newest->key.attempt || is_known) continue;
    names.push_back(attempt.node);
    if (!attempt.gpus.empty()) {
      names.back() += fmt::format(":{}", fmt::join(attempt.gpus, ","));
    }
  }
  if (names.empty()) return "-";
  if (names.size() > 2) return fmt::format("{} +{}", names.front(), names.size() - 1);
  return fmt::format("{}", fmt::join(names, ","));
}

}  // namespace

const AttemptRecord* newest_attempt(const JobRecord& job) {
  const auto newest = std::ranges::max_element(
      job.attempts, {}, [](const AttemptRecord& a) { return a.key.attempt; });
  return newest == job.attempts.end() ? nullptr : &*newest;
}

namespace {

std::string_view paint_of(JobState state) {
  switch (state) {
    case JobState::kRunning:
      return "32";
    case JobState::kFailed:
    case JobState::kTimedOut:
    case JobState::kNodeLost:
      return "31";
    case JobState::kUnreachable:
      return "33";
    case JobState::kStarting:
    case JobState::kSettingUp:
    case JobState::kCompleting:
      return "36";
    case JobState::kQueued:
    case JobState::kSucceeded:
    case JobState::kCancelled:
      break;
  }
  return "2";
}

}  // namespace

namespace {

// The command, and beside it why the job waits.
std::string what_and_why(const JobRecord& job) {
  const std::string command = shortened(printable(shown_command(job)), kCommandShownMax);
  const bool waits = !is_final(job.state) && job.state != JobState::kRunning;
  return waits && !job.reason.empty() ? fmt::format("{}  ({})", command, printable(job.reason))
                                      : command;
}

// Without the columns of these names.
Table table_of(const JobList& jobs, Time now, bool colours,
               const std::vector<std::string_view>& left_out) {
  const bool arrays =
      std::ranges::any_of(jobs.jobs, [](const JobRecord& job) { return job.tasks.has_value(); });
  std::vector<std::string> names{"JOB", "NAME", "STATE", "STATUS"};
  if (arrays) names.emplace_back("TASKS");
  for (const char* name : {"NODE", "TIME", "SUBMITTED", "VOLUME", "COMMAND"})
    names.emplace_back(name);
  const auto without = [&](const std::vector<std::string>& cells) {
    std::vector<std::string> out;
    for (size_t i = 0; i < cells.size(); ++i) {
      if (std::ranges::find(left_out, names[i]) == left_out.end()) out.push_back(cells[i]);
    }
    return out;
  };
  Table table(without(names));
  for (const JobRecord& job : jobs.jobs) {
    const AttemptRecord* attempt = newest_attempt(job);
    const Timeline timeline =
        attempt != nullptr ? joined(job.timeline, attempt->timeline) : job.timeline;
    std::vector<std::string> row{
        fmt::format("{}", job.job),
        job.spec.name.empty() ? "-" : shortened(printable(job.spec.name), kNameShownMax),
        std::string(state_name(job.state)), status_text(job.ending)};
    if (arrays) {
      row.push_back(job.tasks ? fmt::format("{}/{}", job.tasks->ended(), job.tasks->total) : "-");
    }
    for (std::string& cell : std::vector<std::string>{places_text(job), run_time(timeline, now),
                                                      ago(job.timeline.submitted, now),
                                                      job.spec.root.volume, what_and_why(job)}) {
      row.push_back(std::move(cell));
    }
    table.add(without(row));
    if (colours) table.paint(kStateColumn, paint_of(job.state));
  }
  return table;
}

// The command has to have room, and a table is not folded: what is asked for least goes first. All of them are behind
// STATE, whose place is known.
Table fitting_table(const JobList& jobs, Time now, const ListLook& look) {
  constexpr size_t kCommandAtLeast = 24;
  constexpr std::string_view kLeastFirst[] = {"VOLUME", "SUBMITTED", "STATUS"};
  std::vector<std::string_view> left_out;
  Table table = table_of(jobs, now, look.colours, left_out);
  for (const std::string_view name : kLeastFirst) {
    if (look.columns == 0 || table.columns_before_last() + kCommandAtLeast <= look.columns) break;
    left_out.push_back(name);
    table = table_of(jobs, now, look.colours, left_out);
  }
  return table;
}

}  // namespace

std::string jobs_text(const JobList& jobs, Time now, const ListLook& look) {
  std::string out = fitting_table(jobs, now, look).render(look.columns);
  // What somebody should look at although it runs: a GPU that has failed, or does nothing.
  for (const JobRecord& job : jobs.jobs) {
    if (job.state != JobState::kRunning || job.reason.empty() || job.tasks) continue;
    out += fmt::format("job {}: {}\n", job.job, printable(job.reason));
  }
  return out;
}

namespace {

// Hit, near or cold, and why.
std::string setup_text(const JobRecord& job) {
  if (!job.setup) {
    return job.spec.program.setup.empty() ? ""
           : job.spec.setup_once.key.is_zero()
               ? "in each attempt, on each rank: it names what differs there"
               : "looks for one that would do the same";
  }
  const SetupUse& setup = *job.setup;
  const std::string_view how = setup_how_name(setup.how);
  if (setup.how == SetupHow::kHit) return fmt::format("{}: {}", how, setup.why);
  return fmt::format("{}, run as job {}{}: {}", how, setup.run,
                     setup.waits ? " (for another launch too)" : "", setup.why);
}

}  // namespace

std::string job_text(const JobRecord& job, Time now) {
  const Program& program = job.spec.program;
  std::string out;
  line(out, "job", fmt::format("{}  {}", to_string(TaskKey{job.job, job.task}), job.spec.name));
  line(out, "state", state_name(job.state));
  if (job.tasks && job.task == kNoTask) {
    line(out, "tasks", tasks_text(job.job, *job.tasks, is_final(job.state)));
  }
  if (!job.reason.empty()) line(out, "why", job.reason);
  if (job.ending) {
    line(out, "status",
         fmt::format("{}{}{}", job.ending->status, job.ending->reason.empty() ? "" : ": ",
                     job.ending->reason));
  }
  if (job.ending && !job.ending->hint.empty()) line(out, "try", job.ending->hint);
  line(out, "command", shown_command(job));
  const std::string setup = setup_text(job);
  if (!setup.empty()) line(out, "setup", printable(setup));
  if (job.spec.setup_run) {
    line(out, "is", fmt::format("the setup of job {}", job.spec.setup_run->job));
  }
  line(out, "directory", program.cwd);
  line(out, "user",
       fmt::format("{} (uid {}, gid {})", job.spec.user, program.caller.uid, program.caller.gid));
  const std::string tree = job.spec.root.live ? "live" : job.spec.root.tree.short_hex();
  line(out, "volume", fmt::format("{}  {}", job.spec.root.volume, tree));
  line(out, "asks for",
       fmt::format("{}{}", resources_text(job.spec.per_node),
                   job.spec.nodes > 1 ? fmt::format(" on each of {} nodes", job.spec.nodes) : ""));
  for (const Resources& one : job.spec.alternatives) {
    if (one != job.spec.per_node) line(out, "or for", resources_text(one));
  }
  if (!job.spec.pool.empty()) line(out, "pool", job.spec.pool);
  if (!job.spec.node_labels.empty()) line(out, "on nodes", labels_text(job.spec.node_labels));
  if (!job.spec.labels.empty()) line(out, "labels", labels_text(job.spec.labels));
  for (const auto& [heading, text] : job.spec.notes) line(out, heading, printable(text));
  if (job.spec.group.size != 0) {
    line(out, "group",
         fmt::format("{}-0.{}, one of {} jobs", job.spec.group.task, job.spec.group.name,
                     job.spec.group.size));
  }
  if (!job.spec.ports.empty()) {
    line(out, "ports",
         fmt::format("{}: devrun port-forward {}", ports_text(job.spec.ports), job.job));
  }
  add_sweep(out, job);
  add_mounts(out, job.spec.paths);
  const std::string waited = waited_text(job.spec);
  if (!waited.empty()) line(out, "starts", waited);
  if (job.spec.time_limit.us > 0) line(out, "time limit", format_duration(job.spec.time_limit));
  if (job.spec.warn_signal != 0) {
    line(out, "signal",
         fmt::format("{}, {} before it", job.spec.warn_signal,
                     format_duration(job.spec.warn_before)));
  }
  for (const auto& [name, text] : retries_rows(job.spec)) line(out, name, text);
  if (job.spec.results != Results::kHome) {
    line(out, "results",
         job.spec.results == Results::kKeep ? "kept in the change set" : "discarded");
  }
  if (job.spec.fresh) line(out, "fresh", "a later attempt sees nothing of an earlier one's");
  if (job.spec.priority != 0) line(out, "priority", fmt::format("{}", job.spec.priority));
  if (job.timeline.submitted.us != 0) {
    line(out, "submitted",
         fmt::format("{}, {}", format_time(job.timeline.submitted),
                     ago(job.timeline.submitted, now)));
  }
  if (job.attempts.empty()) out += timeline_text(job.timeline);
  if (job.tasks && job.task == kNoTask) return out + array_text(job, now);
  for (const AttemptRecord& attempt : job.attempts) out += attempt_text(job, attempt);
  return out;
}

// Its place among those that wait, and when it starts as far as that can be told.
std::string foresight_text(const JobRecord& job) {
  std::string out;
  if (job.queue_place != 0) {
    out +=
        job.queue_place == 1
            ? "it is the first in the queue\n"
            : fmt::format("{} before it in the queue\n",
                          job.queue_place == 2 ? "1 job is"
                                               : fmt::format("{} jobs are", job.queue_place - 1));
  }
  if (job.expected_start.us != 0) {
    out += fmt::format("it starts at about {}, if what runs takes all of its time\n",
                       format_time(job.expected_start));
  }
  return out;
}

std::string explain_text(const JobRecord& job) {
  const bool whole_array = job.tasks && job.task == kNoTask;
  const std::string progress =
      whole_array ? "; tasks " + tasks_text(job.job, *job.tasks, is_final(job.state)) : "";
  const std::string head = fmt::format("job {} is {}{}", to_string(TaskKey{job.job, job.task}),
                                       state_name(job.state), progress);
  if (!job.reason.empty()) {
    return fmt::format("{}: {}\n{}", head, printable(job.reason), foresight_text(job));
  }
  if (!job.ending) {
    const AttemptRecord* attempt = newest_attempt(job);
    if (attempt == nullptr || attempt->node.empty()) return fmt::format("{}\n", head);
    return fmt::format("{} on {}\n", head, places_text(job));
  }
  std::string out = fmt::format("{}, status {}", head, job.ending->status);
  if (!job.ending->reason.empty()) out += fmt::format(": {}", printable(job.ending->reason));
  out += "\n";
  if (!job.ending->hint.empty()) out += fmt::format("try: {}\n", printable(job.ending->hint));
  return out;
}

std::string volumes_text(const std::vector<VolumeRecord>& volumes, Time now) {
  Table table({"VOLUME", "OWNER", "ACCESS", "FILES", "SIZE", "SNAPSHOT", "CREATED", "DRIVER"});
  for (const VolumeRecord& volume : volumes) {
    const bool taken = volume.newest_taken.us != 0;
    table.add({volume.name, volume.owner, volume.access,
               taken ? fmt::format("{}", volume.newest_files) : "-",
               taken ? format_size(volume.newest_bytes) : "-", ago(volume.newest_taken, now),
               ago(volume.created, now),
               volume.damage.empty() ? volume.driver : "damaged: " + volume.damage});
  }
  return table.render();
}

}  // namespace devrun::cli
