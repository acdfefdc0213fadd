// How the schedule follows what has changed: of nodes, of jobs, of what users have used.
#include <fmt/format.h>

#include <algorithm>

#include "controller/core/alternatives.h"
#include "controller/core/fair_share.h"
#include "controller/core/schedule.h"
#include "controller/core/state.h"

namespace devrun::controller {

namespace {

constexpr size_t kAgainLookedAtMax = 64;

bool is_ready(const Job& job, const Task* task, int32_t index, Time now) {
  if (task != nullptr && task->not_before > now) return false;
  return !root_to_derive(job, {job.id, index});
}

// The first end of a pause, of a job of which nothing can be placed.
std::optional<Time> end_of_pause(const Job& job, Time now) {
  std::optional<Time> out;
  const auto look = [&](int32_t index) {
    const auto it = job.tasks.find(index);
    if (it == job.tasks.end() || it->second.not_before <= now) return;
    out = std::min(out.value_or(kNever), it->second.not_before);
  };
  if (job.spec.array.empty()) look(kNoTask);
  for (const int32_t index : job.again) look(index);
  return out;
}

}  // namespace

const Job* first_unmet(const Ledger& ledger, const Job& job) {
  const auto unmet = [&](const std::vector<JobId>& ids, auto met) -> const Job* {
    for (const JobId id : ids) {
      const Job* other = find_job(ledger, id);
      if (other != nullptr && !(other->outcome && met(other->outcome->state))) return other;
    }
    return nullptr;
  };
  if (const Job* other = unmet(job.spec.after, [](JobState) { return true; })) return other;
  if (const Job* other =
          unmet(job.spec.after_ok, [](JobState s) { return s == JobState::kSucceeded; })) {
    return other;
  }
  if (const Job* other =
          unmet(job.spec.after_fail, [](JobState s) { return s != JobState::kSucceeded; })) {
    return other;
  }
  const Job* setup = awaited_setup(job) == 0 ? nullptr : find_job(ledger, awaited_setup(job));
  return setup != nullptr && !setup->outcome ? setup : nullptr;
}

bool at_array_limit(const Job& job) {
  return !job.spec.array.empty() && job.spec.array_running_max != 0 &&
         job.running_tasks >= job.spec.array_running_max;
}

std::optional<int32_t> next_placeable(const Job& job, Time now) {
  const std::optional<int32_t> next = next_task(job);
  if (!next) return {};
  if (job.spec.array.empty()) {
    return is_ready(job, &job.tasks.at(kNoTask), kNoTask, now) ? next : std::nullopt;
  }
  size_t looked_at = 0;
  for (const int32_t index : job.again) {
    if (is_ready(job, &job.tasks.at(index), index, now)) return index;
    if (++looked_at == kAgainLookedAtMax) break;
  }
  if (job.closed || job.array_passed >= array_size(job.spec)) return {};
  const int32_t fresh = array_task_at(job.spec, job.array_passed);
  return is_ready(job, nullptr, fresh, now) ? std::optional(fresh) : std::nullopt;
}

void Schedule::refresh(const State& state, Time now) {
  as_of_ = now;
  while (!job_timers_.empty() && job_timers_.begin()->first <= now) {
    changed_jobs_.insert(job_timers_.begin()->second);
    job_timers_.erase(job_timers_.begin());
  }
  for (auto it = node_timers_.begin(); it != node_timers_.end();) {
    const auto at = it++;
    if (at->second > now) continue;
    changed_nodes_.insert(at->first);
    node_timers_.erase(at);
  }
  for (const std::string& name : std::exchange(changed_nodes_, {})) refresh_node(state, name, now);
  for (const JobId job : std::exchange(changed_jobs_, {})) refresh_job(state, job, now);
}

void Schedule::refresh_node(const State& state, const std::string& name, Time now) {
  rooms_.refresh(state, name, now);
  const std::optional<NodeId> node = rooms_.find(name);
  if (!node) return;
  const Room& room = rooms_.at(*node);
  if (!room.usable) {
    Time again = kNever;
    why_unusable(state, name, now, &again);
    if (again != kNever) node_timers_[name] = again;
    const std::optional<Hold> hold = room.hold;
    if (hold) drop_reservation(state, hold->shape, now);  // made again elsewhere
  }
  node_moved(*node, now);
}

void Schedule::node_moved(NodeId node, Time now) {
  const Room& room = rooms_.at(node);
  for (Knowing& knowing : knowing_) {
    const bool may_fit = room.usable && knowing.gpus <= room.free.gpus &&
                         knowing.cpu_milli <= room.free.cpu_milli &&
                         knowing.memory_bytes <= room.free.memory_bytes;
    if (!may_fit && knowing.fitting == 0) continue;
    ShapeQueue& queue = waits_.at(knowing.shape);
    if (may_fit && fits(node, knowing.shape, now)) {
      queue.fitting.insert(node);
    } else {
      queue.fitting.erase(node);
    }
    knowing.fitting = static_cast<uint32_t>(queue.fitting.size());
    if (!queue.open && knowing.fitting >= queue.shape.nodes) waits_.set_open(knowing.shape, true);
  }
}

void Schedule::begin_knowing(ShapeId shape, const std::vector<NodeId>& fitting) {
  end_knowing(shape);
  ShapeQueue& queue = waits_.at(shape);
  queue.known = true;
  queue.fitting = {fitting.begin(), fitting.end()};
  const Resources& need = queue.shape.need;
  const auto at = std::lower_bound(knowing_.begin(), knowing_.end(), shape,
                                   [](const Knowing& one, ShapeId id) { return one.shape < id; });
  const int32_t whole_gpus = need.gpu_milli != 0 ? 0 : need.gpus;
  knowing_.insert(at, {shape, static_cast<uint32_t>(fitting.size()), whole_gpus, need.cpu_milli,
                       need.memory_bytes});
}

// The shape itself may be no more.
void Schedule::end_knowing(ShapeId shape) {
  const auto at = std::lower_bound(knowing_.begin(), knowing_.end(), shape,
                                   [](const Knowing& one, ShapeId id) { return one.shape < id; });
  if (at != knowing_.end() && at->shape == shape) knowing_.erase(at);
}

void Schedule::refresh_job(const State& state, JobId id, Time now) {
  const Job* job = find_job(state, id);
  count_waiting(job, id);
  if (job != nullptr && is_eligible(state, *job, now)) {
    const bool known = waits_.has(id);
    if (known) {
      // It may ask for another of its alternatives now.
      if (job->spec.alternatives.empty()) return;
      if (waits_.at(waits_.shape_of_job(id)).shape == shape_of(job->spec)) return;
      if (const std::optional<ShapeId> gone = waits_.remove(id)) shape_is_gone(state, *gone, now);
    } else if (may_choose(*job)) {
      choosers_.insert(id);
      new_choosers_.push_back(id);
    }
    waits_.put(*job, user_id(job->spec.user), wait_key(*job, state.policy));
    // Of a shape that has no room it may be the first now, ahead of somebody for whom nodes are kept.
    const ShapeId shape = waits_.shape_of_job(id);
    const ShapeQueue& queue = waits_.at(shape);
    if (queue.open || queue.heads.empty()) return;
    if (queue.heads.begin()->first.job == id) take_from_later(state, shape, now);
  } else {
    choosers_.erase(id);
    if (const std::optional<ShapeId> gone = waits_.remove(id)) shape_is_gone(state, *gone, now);
  }
}

void Schedule::count_waiting(const Job* job, JobId id) {
  const bool waits = job != nullptr && next_task(*job).has_value();
  const auto counted = counted_waiting_.find(id);
  if (waits == (counted != counted_waiting_.end())) return;
  if (waits) {
    counted_waiting_[id] = {job->spec.user, job->spec.pool};
    ++users_[job->spec.user].waiting;
    ++pools_[job->spec.pool].waiting;
    return;
  }
  --users_[counted->second.first].waiting;
  --pools_[counted->second.second].waiting;
  counted_waiting_.erase(counted);
}

// Whether a task of it could be placed if there were room. If not, what it waits for will have it looked at again.
bool Schedule::is_eligible(const State& state, const Job& job, Time now) {
  if (!next_task(job) || first_unmet(state, job) != nullptr || at_array_limit(job)) return false;
  wait_for_roots(state, job);
  if (next_placeable(job, now)) return true;
  if (const std::optional<Time> due = end_of_pause(job, now)) job_timers_.insert({*due, job.id});
  return false;
}

void Schedule::wait_for_roots(const State& state, const Job& job) {
  const auto want = [&](int32_t task) {
    const std::optional<Deriving> wanted = root_to_derive(job, {job.id, task});
    if (wanted && state.presence.deriving.count(*wanted) == 0) roots_wanted_.push_back(*wanted);
  };
  if (waits_for_others(job.spec) || has_setup_once(job.spec) || job.spec.array.empty())
    want(next_task(job).value());
  for (const int32_t task : job.again) want(task);
}

// Its last job waits no more; the number may be another shape's soon.
void Schedule::shape_is_gone(const State& state, ShapeId shape, Time now) {
  end_knowing(shape);
  drop_reservation(state, shape, now);
}

void Schedule::tick(const State& state, Time now) {
  for (const auto& [user, lag] : lags(users_, state.policy.fair_share, now)) {
    waits_.set_lag(user_id(user), lag);
  }
  refresh(state, now);
  // One reservation each second, in turn: others may have ended early.
  auto it = reservations_.upper_bound(looked_at_);
  if (it == reservations_.end()) it = reservations_.begin();
  if (it != reservations_.end()) {
    looked_at_ = it->first;
    std::optional<Reservation> better = find_reservation(state, rooms_, waits_, looked_at_, now);
    if (!better || better->nodes != it->second.nodes || better->start != it->second.start) {
      drop_reservation(state, looked_at_, now);
      if (better) put_reservation(state, std::move(*better), now);
    }
  }
  reserve_for_first(state, now);
}

// For the first of those that have no room and nothing kept: what had to give way once, or has waited long enough now.
void Schedule::reserve_for_first(const State& state, Time now) {
  if (reservations_.size() >= state.policy.reservations_max) return;
  std::set<std::pair<WaitKey, ShapeId>> closed;
  for (const ShapeId id : waits_.shapes()) {
    const ShapeQueue& queue = waits_.at(id);
    if (queue.open || queue.stopped_by_pool || queue.heads.empty()) continue;
    if (reservations_.count(id) != 0) continue;
    closed.insert({queue.heads.begin()->first, id});
    if (closed.size() > state.policy.reservations_max) closed.erase(std::prev(closed.end()));
  }
  for (const auto& [key, id] : closed) {
    if (reservations_.size() < state.policy.reservations_max) reserve(state, id, now);
  }
}

}  // namespace devrun::controller
