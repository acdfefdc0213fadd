#include "controller/core/schedule.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "common/model/fits.h"
#include "controller/core/limits.h"
#include "controller/core/restore.h"
#include "controller/core/state.h"

namespace devrun::controller {

namespace {

constexpr size_t kFailedStartsMax = 16;
constexpr size_t kWarmNodesMax = 8;         // of a volume
constexpr size_t kWarmVolumesMax = 10'000;  // remembered

// What an event has changed.
struct Note {
  std::set<JobId>& jobs;
  std::set<std::string>& nodes;

  void operator()(const JobSubmitted& e) { jobs.insert(e.job); }
  void operator()(const TaskPlaced& e) {
    jobs.insert(e.task.job);
    nodes.insert(e.nodes.begin(), e.nodes.end());
  }
  void operator()(const AttemptReported& e) {
    if (e.observed.phase >= Phase::kCompleting || e.observed.phase == Phase::kRunning) {
      nodes.insert(e.node);
    }
  }
  void operator()(const JobCancelRequested& e) { jobs.insert(e.task.job); }
  void operator()(const TaskEnded& e) { jobs.insert(e.task.job); }
  void operator()(const NodeJoined& e) { nodes.insert(e.hello.name); }
  void operator()(const NodeDeclaredLost& e) { nodes.insert(e.node); }
  void operator()(const NodeDrained& e) { nodes.insert(e.node); }
  void operator()(const TaskRetried& e) { jobs.insert(e.task.job); }
  void operator()(const RootDerived& e) { jobs.insert(e.task.job); }
  void operator()(const SetupDecided& e) { jobs.insert(e.job); }
  void operator()(const TimeLimitNear&) {}
  void operator()(const TimeLimitReached&) {}
  void operator()(const JobKept&) {}
  void operator()(const JobArchived&) {}
  void operator()(const Carried&) {}
  void operator()(const Restored&) {}
  void operator()(const JobReshaped& e) { jobs.insert(e.job); }
};

}  // namespace

UserId Schedule::user_id(const std::string& user) {
  return user_ids_.try_emplace(user, static_cast<UserId>(user_ids_.size())).first->second;
}

void Schedule::begin(const State& state, Time now) {
  auto failed_starts = std::move(failed_starts_);
  *this = {};
  failed_starts_ = std::move(failed_starts);
  const Duration half_life = state.policy.fair_share.half_life;
  for (const auto& [user, past] : state.past_use) {
    users_[user].usage = usage_at({.usage = past.usage, .as_of = past.as_of}, now, half_life);
  }
  for (const auto& [id, job] : state.jobs) {
    users_[job.spec.user].usage += usage_of(job, now, half_life);
    for (const auto& [index, task] : job.tasks) {
      if (is_placed(task) && !task.outcome) account_placed(state, {id, index}, now);
    }
  }
  for (auto& [user, account] : users_) account.as_of = now;
  deadlines_.begin(state);
  for (const QueueKey& queued : state.queue) changed_jobs_.insert(queued.job);
  for (const auto& [name, node] : state.nodes) changed_nodes_.insert(name);
  tick(state, now);
}

void Schedule::note(const State& state, const Event& event) {
  std::visit(Note{changed_jobs_, changed_nodes_}, event.kind);
  deadlines_.note(state, event);
  if (const auto* reported = std::get_if<AttemptReported>(&event.kind)) {
    count_start(*reported, event.at);
  } else if (const auto* drained = std::get_if<NodeDrained>(&event.kind)) {
    if (!drained->drained) failed_starts_.erase(drained->node);
  }
  if (const auto* placed = std::get_if<TaskPlaced>(&event.kind)) {
    account_placed(state, placed->task, event.at);
    remember_warm(find_job(state, placed->task.job)->spec.root.volume, placed->nodes);
  } else if (const auto* retried = std::get_if<TaskRetried>(&event.kind)) {
    account_over(state, retried->task, event.at);
  } else if (const auto* ended = std::get_if<TaskEnded>(&event.kind)) {
    account_over(state, ended->task, event.at);
  }
  // Whoever waited for a job that is over is looked at again.
  const JobId changed = std::visit(
      [](const auto& e) -> JobId {
        if constexpr (requires { e.task.job; }) return e.task.job;
        return 0;
      },
      event.kind);
  const Job* job = find_job(state, changed);
  if (job == nullptr || !job->outcome) return;
  const auto followers = state.followers.find(job->id);
  if (followers == state.followers.end()) return;
  changed_jobs_.insert(followers->second.begin(), followers->second.end());
}

void Schedule::account_placed(const State& state, TaskKey task, Time at) {
  const JobSpec& spec = find_job(state, task.job)->spec;
  const Duration half_life = state.policy.fair_share.half_life;
  const Running running{spec.user,
                        spec.pool,
                        weight(spec),
                        int64_t{spec.per_node.gpus} * spec.nodes,
                        lives_on_storage_host(spec) ? 0 : spec.per_node.cpu_milli * spec.nodes,
                        !lives_on_storage_host(spec)};
  running_[task] = running;
  for (Account* account : {&users_[spec.user], &pools_[spec.pool]}) {
    change_rate(*account, at, running.weight, half_life);
    if (running.counts) ++account->running;
    account->gpus += running.gpus;
    account->cpu_milli += running.cpu_milli;
  }
}

void Schedule::account_over(const State& state, TaskKey task, Time at) {
  const auto it = running_.find(task);
  if (it == running_.end()) return;
  const Running running = it->second;
  running_.erase(it);
  for (Account* account : {&users_[running.user], &pools_[running.pool]}) {
    change_rate(*account, at, -running.weight, state.policy.fair_share.half_life);
    if (running.counts) --account->running;
    account->gpus -= running.gpus;
    account->cpu_milli -= running.cpu_milli;
  }
  if (limits_of_user(state.policy, running.user) != Limits{}) {
    waits_.resume_user(user_id(running.user));
  }
  if (limits_of_pool(state.policy, running.pool) != nullptr) waits_.resume_pool(running.pool);
}

// A program that ended by itself proves the node; what could not be started there speaks against it. (126 and 127: there
// is no such program, which is nobody's fault but the caller's.)
void Schedule::count_start(const AttemptReported& report, Time at) {
  if (!report.observed.ending) return;
  const Ending& ending = *report.observed.ending;
  if (ending.cause == EndCause::kExited) failed_starts_.erase(report.node);
  if (ending.cause != EndCause::kNotStarted || ending.fault != Fault::kNode) return;
  if (ending.status == 126 || ending.status == 127) return;
  FailedStarts& failed = failed_starts_[report.node];
  if (failed.jobs.size() < kFailedStartsMax) failed.jobs.insert(report.observed.key.job);
  failed.last = at;
  failed.reason = ending.reason;
}

const FailedStarts* Schedule::failed_starts(const std::string& node) const {
  const auto it = failed_starts_.find(node);
  return it == failed_starts_.end() ? nullptr : &it->second;
}

void Schedule::remember_warm(const std::string& volume, const std::vector<std::string>& nodes) {
  if (warm_.size() >= kWarmVolumesMax && warm_.count(volume) == 0) warm_.erase(warm_.begin());
  std::vector<NodeId>& warm = warm_[volume];
  for (const std::string& name : nodes) {
    const std::optional<NodeId> node = rooms_.find(name);
    if (!node) continue;
    std::erase(warm, *node);
    warm.insert(warm.begin(), *node);
  }
  if (warm.size() > kWarmNodesMax) warm.resize(kWarmNodesMax);
}

std::optional<Placement> Schedule::next(const State& state, Time now) {
  refresh(state, now);
  if (awaits_nodes(state)) return {};
  keep_again(state, now);
  while (const std::optional<ShapeId> shape = waits_.first()) {
    const auto [key, user] = waits_.head(*shape);
    const Job& job = state.jobs.at(key.job);
    const Limits& own = limits_of_user(state.policy, job.spec.user);
    if (!limit_reached(own, account_of_user(job.spec.user), job.spec).empty()) {
      waits_.stop_user(*shape, user);
      if (waits_.at(*shape).heads.empty()) drop_reservation(state, *shape, now);
      continue;
    }
    const Limits* pool = limits_of_pool(state.policy, job.spec.pool);
    if (pool != nullptr &&
        !limit_reached(*pool, account_of_pool(job.spec.pool), job.spec).empty()) {
      waits_.stop_by_pool(*shape);
      drop_reservation(state, *shape, now);
      continue;
    }
    const auto nodes = find_nodes(*shape, job.spec.root.volume, now);
    if (!nodes) {
      if (take_from_later(state, *shape, now)) continue;
      close(state, *shape, now);
      continue;
    }
    Placement out = placement(state, job.id, *shape, *nodes, now);
    drop_reservation(state, *shape, now);
    waits_.at(*shape).served = now;
    return out;
  }
  return {};
}

Placement Schedule::placement(const State& state, JobId id, ShapeId shape,
                              const std::vector<NodeId>& nodes, Time now) {
  const Job& job = state.jobs.at(id);
  Placement out;
  out.task = {id, next_placeable(job, now).value()};
  const Task* before = find_task(state, out.task);
  out.attempt = before == nullptr ? 1 : before->attempt + 1;
  const int32_t gpus = job.spec.per_node.gpus;
  for (const NodeId node : nodes) {
    const Room& room = rooms_.at(node);
    out.nodes.push_back(room.name);
    if (gpus == 0) continue;
    const std::vector<Gpu>& all = rooms_.kind(room.kind).gpus;
    const Match& of = match_of(waits_, rooms_, shape, room.kind);
    const std::optional<size_t> shared = shared_gpu(room, job.spec.per_node, of);
    const GpuMask chosen =
        shared ? GpuMask().set(*shared) : choose_gpus(all, room.gpus_free & of.gpus, gpus);
    std::vector<uint32_t>& indices = out.gpus.emplace_back();
    for (size_t i = 0; i < std::min(all.size(), kGpusPerNodeMax); ++i) {
      if (chosen.test(i)) indices.push_back(all[i].index);
    }
  }
  return out;
}

std::vector<Deriving> Schedule::take_roots_wanted() {
  return std::exchange(roots_wanted_, {});
}

const Reservation* Schedule::reservation_for(JobId job) const {
  if (!waits_.has(job)) return nullptr;
  const auto it = reservations_.find(waits_.shape_of_job(job));
  return it == reservations_.end() || it->second.key.job != job ? nullptr : &it->second;
}

const Account* Schedule::account_of_user(const std::string& user) const {
  const auto it = users_.find(user);
  return it == users_.end() ? nullptr : &it->second;
}

const Account* Schedule::account_of_pool(const std::string& pool) const {
  const auto it = pools_.find(pool);
  return it == pools_.end() ? nullptr : &it->second;
}

Duration Schedule::lag_of(const std::string& user) const {
  const auto it = user_ids_.find(user);
  return it == user_ids_.end() ? Duration{} : waits_.lag(it->second);
}

}  // namespace devrun::controller
