#include "controller/core/view.h"

#include <fmt/format.h>

#include <algorithm>

#include "common/base/check.h"
#include "common/base/units.h"
#include "common/model/rank_environment.h"
#include "common/model/sweep.h"
#include "controller/core/explain.h"
#include "controller/core/gpu_news.h"
#include "controller/core/group.h"

namespace devrun::controller {

namespace {

JobState state_of_phase(Phase phase) {
  switch (phase) {
    case Phase::kStarting:
      return JobState::kStarting;
    case Phase::kSettingUp:
      return JobState::kSettingUp;
    case Phase::kRunning:
      return JobState::kRunning;
    case Phase::kCompleting:
    case Phase::kEnded:
      return JobState::kCompleting;
  }
  return JobState::kStarting;
}

// The first node of the task on which something lives and that is silent.
const std::string* silent_node(const State& state, const Task& task, Time now) {
  for (const Rank& rank : task.ranks) {
    if (!rank.ending && is_silent(state, rank.node, now)) return &rank.node;
  }
  return nullptr;
}

std::string say_silence(const State& state, const std::string& node, Time now) {
  Time heard = state.presence.started;
  const auto it = state.presence.nodes.find(node);
  if (it != state.presence.nodes.end()) heard = std::max(heard, it->second.last_heard);
  const Duration whole{(now - heard).us / 1'000'000 * 1'000'000};
  return fmt::format("{} has been silent for {}", node, format_duration(whole));
}

// Why a task that is STARTING does not go on, as the first of its nodes says that waits; empty: nothing is known.
std::string say_wait(const State& state, TaskKey key, const Task& task) {
  for (uint32_t i = 0; i < task.ranks.size(); ++i) {
    const auto node = state.presence.nodes.find(task.ranks[i].node);
    if (task.ranks[i].ending || node == state.presence.nodes.end()) continue;
    const auto wait = node->second.waits.find({key.job, key.task, i, task.attempt});
    if (wait == node->second.waits.end()) continue;
    return fmt::format("{} {}", task.ranks[i].node, wait->second);
  }
  return {};
}

bool known_task(const Job& job, int32_t task) {
  return job.spec.array.empty() ? task == kNoTask : array_has(job.spec, task);
}

}  // namespace

JobState task_state(const State& state, const Task& task, Time now) {
  if (task.outcome) return task.outcome->state;
  if (!is_placed(task)) return JobState::kQueued;
  if (silent_node(state, task, now) != nullptr) return JobState::kUnreachable;
  Phase least = Phase::kEnded;
  for (const Rank& rank : task.ranks) least = std::min(least, rank.phase);
  return state_of_phase(least);
}

JobState job_state(const State& state, const Job& job, Time now) {
  if (job.outcome) return job.outcome->state;
  std::optional<JobState> furthest;
  for (const auto& [index, task] : job.tasks) {
    if (task.outcome) continue;
    furthest = std::max(furthest.value_or(JobState::kQueued), task_state(state, task, now));
  }
  return furthest.value_or(JobState::kQueued);
}

std::string job_reason(const State& state, const Job& job, Time now, Explained* known) {
  for (const auto& [index, task] : job.tasks) {
    if (task.outcome) continue;
    if (const std::string* node = silent_node(state, task, now)) {
      return say_silence(state, *node, now);
    }
    if (std::string wait = say_wait(state, {job.id, index}, task); !wait.empty()) return wait;
    if (std::string wait = say_group_wait(state, job, task); !wait.empty()) return wait;
    if (std::string news = say_gpus(state, {job.id, index}, task); !news.empty()) return news;
  }
  return explain(state, job, now, known);
}

uint64_t output_of(const TaskView& view, uint32_t attempt, uint32_t rank) {
  const bool is_past = attempt >= 1 && attempt <= view.past_output.size();
  const std::vector<int64_t>& bytes = is_past ? view.past_output[attempt - 1] : view.output_bytes;
  return rank < bytes.size() ? static_cast<uint64_t>(bytes[rank]) : 0;
}

bool is_all_output(const TaskView& view, uint32_t attempt, uint32_t rank, uint64_t sent) {
  return sent >= output_of(view, attempt, rank) || view.closed_logs.count({attempt, rank}) != 0;
}

uint64_t missing_output(const TaskView& view, uint32_t attempt, uint32_t rank, uint64_t sent) {
  const uint64_t whole = output_of(view, attempt, rank);
  return whole > sent ? whole - sent : 0;
}

TaskCounts task_counts(const Job& job) {
  TaskCounts out;
  out.total = array_size(job.spec);
  if (out.total == 0) return out;
  out.running = job.running_tasks;
  out.failed = job.failed_tasks;
  out.succeeded = job.tasks.size() - job.open_tasks - job.failed_tasks;
  const size_t named = std::min<size_t>(out.failed, kFailedTasksNamedMax);
  for (auto it = job.tasks.begin(); out.first_failed.size() < named; ++it) {
    const auto& [index, task] = *it;
    if (task.outcome && task.outcome->state != JobState::kSucceeded) {
      out.first_failed.push_back(index);
    }
  }
  return out;
}

Timeline rank_timeline(const Job& job, const Task& task, const Rank& rank) {
  Timeline out = rank.timeline;
  out.submitted = job.timeline.submitted;
  out.snapshot_taken = job.timeline.snapshot_taken;
  out.journaled = job.timeline.journaled;
  // Decided before the job was durable, in the same transaction with it: it counts from then on.
  if (task.placed.us != 0) out.placed = std::max(task.placed, job.timeline.journaled);
  return out;
}

namespace {

// A node that is away may come back with what it has, unless it was declared lost.
bool may_send_output(const State& state, const std::string& node, const AttemptKey& key) {
  if (is_connected(state, node)) return has_output(state.presence.nodes.at(node), key);
  const auto known = state.nodes.find(node);
  return known != state.nodes.end() && !known->second.lost;
}

void note_closed_logs(const State& state, AttemptKey key, const std::vector<Rank>& ranks,
                      TaskView& view) {
  for (const Rank& rank : ranks) {
    if (rank.ending && rank.output_bytes > 0 && !may_send_output(state, rank.node, key)) {
      view.closed_logs.insert({key.attempt, key.rank});
    }
    ++key.rank;
  }
}

}  // namespace

std::optional<TaskView> view_task(const State& state, TaskKey key, Time now) {
  const Job* job = find_job(state, key.job);
  if (job == nullptr || !known_task(*job, key.task)) return std::nullopt;
  TaskView view;
  view.timeline = job->timeline;
  const Task* task = find_task(state, key);
  if (task == nullptr) {
    if (job->outcome) {
      view.state = job->outcome->state;
      view.ending = job->outcome->ending;
    } else if (job->closed) {
      view.state = JobState::kCancelled;
      view.ending = Ending{EndCause::kCancelled, 130, "cancelled", {}};
    } else {
      view.reason = explain(state, *job, now);
    }
    return view;
  }
  view.state = task_state(state, *task, now);
  view.attempt = task->attempt;
  for (uint32_t attempt = 1; const PastAttempt& past : task->past) {
    std::vector<int64_t>& bytes = view.past_output.emplace_back();
    for (const Rank& rank : past.ranks) bytes.push_back(rank.output_bytes);
    note_closed_logs(state, {key.job, key.task, 0, attempt++}, past.ranks, view);
  }
  note_closed_logs(state, {key.job, key.task, 0, task->attempt}, task->ranks, view);
  if (task->outcome) view.ending = task->outcome->ending;
  for (const Rank& rank : task->ranks) {
    view.output_bytes.push_back(rank.output_bytes);
    view.nodes.push_back(rank.node);
  }
  if (task->ranks.empty()) {
    if (!task->outcome) view.reason = explain_task(state, *job, *task, now);
    return view;
  }
  view.node = task->ranks[0].node;
  view.wrote = task->ranks[0].wrote;
  view.timeline = rank_timeline(*job, *task, task->ranks[0]);
  if (view.state == JobState::kUnreachable) {
    view.reason = say_silence(state, *silent_node(state, *task, now), now);
  } else if (view.state == JobState::kStarting) {
    view.reason = say_wait(state, key, *task);
  } else if (view.state == JobState::kSettingUp) {
    view.reason = say_group_wait(state, *job, *task);
  } else if (view.state == JobState::kRunning) {
    view.reason = say_gpus(state, key, *task);
  }
  return view;
}

std::optional<DesiredRank> desired(const State& state, const std::string& node,
                                   const AttemptKey& key) {
  DesiredRank out;
  out.attempt.key = key;
  const auto presence = state.presence.nodes.find(node);
  if (presence != state.presence.nodes.end() && presence->second.strays.count(key) != 0) {
    out.attempt.goal = Goal::kStop;
    out.attempt.stop_cause = EndCause::kLost;
    out.attempt.stop_signal = 9;
    out.attempt.stop_grace = {};
    return out;
  }
  const Rank* rank = find_rank(state, key);
  if (rank == nullptr || rank->node != node) return std::nullopt;
  if (rank->ending &&
      (presence == state.presence.nodes.end() || presence->second.retained.count(key) == 0)) {
    return std::nullopt;
  }
  const Task& task = *find_task(state, key.task_key());
  const bool is_past = key.attempt <= task.past.size();
  if (is_past || task.stop || task.first_failed) {
    out.attempt.goal = Goal::kStop;
    out.attempt.stop_cause = task.stop.value_or(EndCause::kCancelled);
  }
  if (is_past) return out;
  out.needs_spec = !rank->reported && !rank->ending;
  out.attempt.leave_results = task.leave_results;
  out.attempt.first_rank_ended = key.rank != 0 && task.ranks.front().phase >= Phase::kCompleting;
  const Job& job = *find_job(state, key.job);
  out.attempt.go = may_go(state, job, task);
  if (out.attempt.go) out.attempt.hosts = group_hosts(state, job);
  out.deliver_signal = task.deliver_signal;
  out.deliver_sequence = task.deliver_sequence;
  return out;
}

std::vector<AttemptKey> desired_on(const State& state, const std::string& node) {
  std::set<AttemptKey> keys;
  const auto known = state.nodes.find(node);
  if (known != state.nodes.end()) keys = known->second.live;
  const auto presence = state.presence.nodes.find(node);
  if (presence != state.presence.nodes.end()) {
    keys.insert(presence->second.retained.begin(), presence->second.retained.end());
    keys.insert(presence->second.strays.begin(), presence->second.strays.end());
  }
  return {keys.begin(), keys.end()};
}

AttemptSpec attempt_spec(const State& state, const AttemptKey& key) {
  const Job* job = find_job(state, key.job);
  const Task* task = find_task(state, key.task_key());
  CHECK(job != nullptr && task != nullptr);
  AttemptSpec spec;
  spec.key = key;
  spec.job_name = job->spec.name;
  spec.user = job->spec.user;
  spec.root = job->spec.root;
  spec.root.tree = root_of_attempt(*job, *task, key.attempt);
  spec.program = job->spec.program;
  spec.program.sealed_env.clear();
  // It has run, as a job of its own.
  if (job->setup) spec.program.setup.clear();
  spec.tmp_in_root = job->setup.has_value() || job->spec.setup_run.has_value();
  if (job->spec.setup_run) {
    spec.setup_for_ranks = job->spec.setup_run->ranks;
    spec.reads_if_failed = job->spec.setup_run->from != 0;
  }
  // One rank has the caller's stdin. The others would wait for an end that nobody sends them.
  if (key.rank > 0 && !spec.program.tty) spec.program.reads_stdin = false;
  spec.resources = job->spec.per_node;
  spec.ranks = job->spec.nodes;
  const bool is_past = key.attempt <= task->past.size();
  for (const Rank& rank : is_past ? task->past[key.attempt - 1].ranks : task->ranks) {
    spec.rank_addresses.push_back(state.nodes.at(rank.node).hello.address);
  }
  spec.dev_container = job->spec.dev_container;
  const Rank* rank = find_rank(state, key);
  if (rank != nullptr) spec.gpus = rank->gpus;
  spec.lease = is_past ? Duration{} : task->lease;
  spec.time_limit = job->spec.time_limit;
  spec.paths = job->spec.paths;
  spec.results = job->spec.results;
  spec.group_name = job->spec.group.name;
  spec.task_ids = task_ids_of(key.task_key(), job->spec.several);
  spec.task_id = spec.task_ids[job->spec.several.index];
  if (key.task != kNoTask) {
    spec.array_index = static_cast<uint32_t>(array_position_of(job->spec, key.task));
    spec.array_tasks = static_cast<uint32_t>(array_size(job->spec));
    // By its number: an array that is run again may have some of the tasks alone.
    if (!job->spec.sweep.empty()) {
      spec.point = sweep_point(job->spec.sweep, static_cast<uint64_t>(key.task));
    }
  }
  return spec;
}

}  // namespace devrun::controller
