#include "controller/rpc/job_info.h"

#include <fmt/format.h>

#include <algorithm>

#include "common/base/utf8.h"
#include "common/wire/job.h"
#include "controller/core/explain.h"

namespace devrun::controller {

namespace {

constexpr size_t kLiveAttemptsMax = 16;  // of an array, in a row

JobState rank_state(const State& state, const Task& task, const Rank& rank, Time now) {
  if (task.outcome) return task.outcome->state;
  Task alone;  // what the task would be if this rank were all of it
  alone.attempt = task.attempt;
  alone.ranks = {rank};
  return task_state(state, alone, now);
}

pb::AttemptInfo attempt_info(const AttemptKey& key, const Rank& rank, JobState state,
                             Detail detail) {
  pb::AttemptInfo out;
  *out.mutable_key() = wire::to_proto(key);
  out.set_node(rank.node);
  out.set_state(wire::to_proto(state));
  if (rank.ending) *out.mutable_ending() = wire::to_proto(*rank.ending);
  out.set_output_bytes(rank.output_bytes);
  if (rank.wrote && detail == Detail::kFull) *out.mutable_wrote() = wire::to_proto(*rank.wrote);
  if (rank.usage) *out.mutable_usage() = wire::to_proto(*rank.usage);
  out.mutable_gpus()->Add(rank.gpus.begin(), rank.gpus.end());
  return out;
}

const Usage* live_usage(const State& state, const Rank& rank, const AttemptKey& key) {
  const auto node = state.presence.nodes.find(rank.node);
  if (rank.ending || node == state.presence.nodes.end()) return nullptr;
  const auto usage = node->second.usage.find(key);
  return usage == node->second.usage.end() ? nullptr : &usage->second;
}

void add_past_attempts(pb::JobInfo& out, const Job& job, int32_t index, const Task& task,
                       Detail detail) {
  for (uint32_t n = 0; n < task.past.size(); ++n) {
    const PastAttempt& past = task.past[n];
    for (uint32_t i = 0; i < past.ranks.size(); ++i) {
      if (static_cast<size_t>(out.attempts_size()) >= kAttemptsShownMax) return;
      const Rank& rank = past.ranks[i];
      pb::AttemptInfo& attempt = *out.add_attempts();
      attempt = attempt_info({job.id, index, i, n + 1}, rank,
                             state_of_ending(rank.ending.value_or(past.ending)), detail);
      Timeline timeline = rank.timeline;
      timeline.placed = past.placed;
      *attempt.mutable_timeline() = wire::to_proto(timeline);
    }
  }
}

void add_attempts(pb::JobInfo& out, const State& state, const Job& job, Time now, Detail detail,
                  std::optional<int32_t> only) {
  const bool live_alone = detail == Detail::kLiveRow && !job.spec.array.empty();
  const size_t attempts_max = live_alone ? kLiveAttemptsMax : kAttemptsShownMax;
  for (const auto& [index, task] : job.tasks) {
    if ((live_alone && task.outcome) || (only && index != *only)) continue;
    if (detail == Detail::kFull) add_past_attempts(out, job, index, task, detail);
    for (uint32_t i = 0; i < task.ranks.size(); ++i) {
      if (static_cast<size_t>(out.attempts_size()) >= attempts_max) return;
      const Rank& rank = task.ranks[i];
      pb::AttemptInfo& attempt = *out.add_attempts();
      const AttemptKey key{job.id, index, i, task.attempt};
      attempt = attempt_info(key, rank, rank_state(state, task, rank, now), detail);
      if (const Usage* usage = live_usage(state, rank, key)) {
        *attempt.mutable_usage() = wire::to_proto(*usage);
      }
      *attempt.mutable_timeline() = wire::to_proto(rank_timeline(job, task, rank));
    }
  }
}

pb::TaskCounts to_proto(const TaskCounts& counts) {
  pb::TaskCounts out;
  out.set_total(counts.total);
  out.set_running(counts.running);
  out.set_succeeded(counts.succeeded);
  out.set_failed(counts.failed);
  out.mutable_first_failed()->Add(counts.first_failed.begin(), counts.first_failed.end());
  return out;
}

// Tasks are placed in their order, so that the first one that has been started began the array's time.
Timeline array_timeline(const Job& job) {
  Timeline out = job.timeline;
  for (const auto& [index, task] : job.tasks) {
    if (task.ranks.empty() || task.ranks[0].timeline.started.us == 0) continue;
    out.started = task.ranks[0].timeline.started;
    break;
  }
  if (job.outcome && out.started.us != 0) out.ended = job.outcome->at;
  return out;
}

void narrow_to_task(pb::JobInfo& out, const TaskView& view) {
  out.set_state(wire::to_proto(view.state));
  out.set_reason(in_utf8(view.reason));
  out.clear_ending();
  if (view.ending) *out.mutable_ending() = wire::to_proto(*view.ending);
  *out.mutable_timeline() = wire::to_proto(view.timeline);
}

Error no_job(const std::string& name) {
  return {Code::kNotFound, fmt::format("there is no job {}", name), "devrun ps -a"};
}

}  // namespace

pb::JobInfo job_info(const State& state, const Job& job, Time now, Detail detail,
                     std::optional<int32_t> task, Explained* known) {
  pb::JobInfo out;
  out.set_job(job.id);
  *out.mutable_spec() = wire::to_proto(job.spec);
  out.mutable_spec()->mutable_program()->clear_sealed_env();
  out.set_state(wire::to_proto(job_state(state, job, now)));
  if (job.outcome) *out.mutable_ending() = wire::to_proto(job.outcome->ending);
  out.set_reason(in_utf8(job_reason(state, job, now, known)));
  if (detail == Detail::kFull && !job.outcome && !out.reason().empty()) {
    const Foresight seen = foresee(state, job, now);
    out.set_queue_place(seen.place);
    out.set_expected_start_us(seen.start.us);
  }
  if (job.setup) *out.mutable_setup() = wire::to_proto(*job.setup);
  *out.mutable_timeline() = wire::to_proto(job.timeline);
  const bool array = !job.spec.array.empty();
  if (array) {
    *out.mutable_tasks() = to_proto(task_counts(job));
    *out.mutable_timeline() = wire::to_proto(array_timeline(job));
    if (task) narrow_to_task(out, view_task(state, {job.id, *task}, now).value());
  } else {
    const Task& whole = job.tasks.at(kNoTask);
    if (!whole.ranks.empty()) {
      *out.mutable_timeline() = wire::to_proto(rank_timeline(job, whole, whole.ranks[0]));
    }
  }
  if (detail != Detail::kRow || !array) add_attempts(out, state, job, now, detail, task);
  return out;
}

Result<std::vector<std::string>> env_names(const Sealer& sealer, const std::string& sealed) {
  const std::string env = TRY(sealer.unseal(sealed));
  std::vector<std::string> names;
  for (size_t at = 0; at < env.size();) {
    const size_t end = std::min(env.find('\0', at), env.size());
    names.push_back(env.substr(at, std::min(env.find('=', at), end) - at));
    at = end + 1;
  }
  return names;
}

pb::NodeInfo node_info(const State& state, const Node& node, Time now) {
  pb::NodeInfo out;
  *out.mutable_hello() = wire::to_proto(node.hello);
  *out.mutable_used() = wire::to_proto(node.used);
  const bool connected = is_connected(state, node.hello.name);
  out.set_connected(connected);
  const auto presence = state.presence.nodes.find(node.hello.name);
  // A controller that has just begun has heard of nobody, which is no silence of theirs.
  Time heard = state.presence.started;
  if (presence != state.presence.nodes.end()) heard = std::max(heard, presence->second.last_heard);
  out.set_last_heard_us(connected ? now.us : heard.us);
  out.set_attempts(static_cast<uint32_t>(node.live.size()));
  if (connected) out.set_trouble(trouble_of(state, node.hello.name));
  out.set_drained(node.drained);
  const std::string why = why_unusable(state, node.hello.name, now, nullptr);
  if (why.starts_with("set aside")) out.set_set_aside(in_utf8(why));
  for (const AttemptKey& key : node.live) {
    const Rank* rank = find_rank(state, key);
    if (rank == nullptr || rank->gpus.empty()) continue;
    pb::GpuHolder& holder = *out.add_gpu_holders();
    *holder.mutable_key() = wire::to_proto(key);
    holder.mutable_gpus()->Add(rank->gpus.begin(), rank->gpus.end());
  }
  return out;
}

LogStart from_proto(const pb::LogStart& in) {
  constexpr uint32_t kOut = 1, kErr = 2;
  LogStart out;
  if (in.has_lines()) out.lines = in.lines();
  out.since = Time{in.since_us()};
  out.out = in.streams() == 0 || (in.streams() & kOut) != 0;
  out.err = in.streams() == 0 || (in.streams() & kErr) != 0;
  out.bytes_max = in.bytes_max();
  return out;
}

Result<const Job*> visible_job(const State& state, const Who& who, JobId id) {
  const Job* job = find_job(state, id);
  if (job == nullptr || !who.may_call_about(*job)) return no_job(fmt::format("{}", id));
  return job;
}

Result<const Job*> openable_job(const State& state, const Who& who, JobId id) {
  const Job* job = find_job(state, id);
  const bool is_neighbours = job != nullptr && who.from && job->spec.dev_container &&
                             job->spec.user == who.user &&
                             job->spec.root.volume == who.from->volume;
  if (is_neighbours) return job;
  return visible_job(state, who, id);
}

Result<TaskView> visible_task(const State& state, const Who& who, TaskKey key, uint32_t rank,
                              Time now) {
  return task_view(state, *TRY(visible_job(state, who, key.job)), key, rank, now);
}

Result<TaskView> task_view(const State& state, const Job& job, TaskKey key, uint32_t rank,
                           Time now) {
  if (key.task == kNoTask && !job.spec.array.empty()) {
    const std::string first = to_string(TaskKey{key.job, array_task_at(job.spec, 0)});
    return Error{
        Code::kInvalid,
        fmt::format("job {} is an array: choose one of its tasks, such as {}", key.job, first),
        "devrun show " + to_string(key)};
  }
  std::optional<TaskView> view = view_task(state, key, now);
  if (!view) return no_job(to_string(key));
  if (rank >= job.spec.nodes) {
    return Error{Code::kNotFound,
                 fmt::format("job {} has no rank {}: its ranks are 0 to {}", to_string(key), rank,
                             job.spec.nodes - 1),
                 "devrun show " + to_string(key)};
  }
  return std::move(*view);
}

}  // namespace devrun::controller
