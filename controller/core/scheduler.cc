#include "controller/core/scheduler.h"

#include <set>
#include <tuple>

#include "controller/core/room.h"

namespace devrun::controller {

namespace {

// Two jobs of the same shape find room or find none: the second need not look.
using Shape = std::tuple<int64_t, int64_t, int32_t, std::string, uint32_t, std::string, bool>;
Shape shape(const JobSpec& spec) {
  return {spec.per_node.cpu_milli,
          spec.per_node.memory_bytes,
          spec.per_node.gpus,
          spec.per_node.gpu_type,
          spec.nodes,
          spec.pool,
          spec.dev_container};
}

// The nodes and GPUs for all ranks, taken from `rooms`; no nodes if there are not enough.
Placement take_nodes(std::vector<Room>& rooms, const JobSpec& spec) {
  std::vector<Room*> chosen;
  for (Room& room : rooms) {
    if (chosen.size() == spec.nodes) break;
    if (may_run_on(*room.hello, spec) && has_room(room, spec.per_node)) chosen.push_back(&room);
  }
  Placement out;
  if (chosen.size() < spec.nodes) return out;
  for (Room* room : chosen) {
    std::vector<uint32_t> gpus = take(*room, spec.per_node);
    out.nodes.push_back(room->hello->name);
    if (spec.per_node.gpus > 0) out.gpus.push_back(std::move(gpus));
  }
  return out;
}

// Tasks of the job from its next one on that have not been placed, ended or cancelled; stops when
// `visit` says so.
template <typename Visit>
void each_waiting_task(const Job& job, Visit visit) {
  if (!next_task(job)) return;
  if (job.spec.array.empty()) {
    visit(kNoTask);
    return;
  }
  for (const int32_t task : job.again) {
    if (!visit(task)) return;
  }
  std::set<int32_t> seen;  // ranges may overlap
  const uint64_t size = array_size(job.spec);
  for (uint64_t i = job.array_passed; i < size; ++i) {
    const int32_t task = array_task_at(job.spec, i);
    if (job.tasks.count(task) != 0 || !seen.insert(task).second) continue;
    if (!visit(task)) return;
  }
}

}  // namespace

std::vector<Placement> plan(const State& state, Time now) {
  std::vector<Placement> placements;
  if (state.queue.empty()) return placements;
  std::vector<Room> rooms = connected_rooms(state);
  if (rooms.empty()) return placements;
  std::set<Shape> without_room;
  for (const QueueKey& queued : state.queue) {
    const Job& job = state.jobs.at(queued.job);
    if (first_unmet(state, job) != nullptr || without_room.count(shape(job.spec)) != 0) continue;
    uint32_t running = job.running_tasks;
    each_waiting_task(job, [&](int32_t task) {
      if (at_array_limit(job, running)) return false;
      const Task* before = find_task(state, {job.id, task});
      if (before != nullptr && before->not_before > now) return true;
      if (root_to_derive(job, {job.id, task})) return true;
      Placement placement = take_nodes(rooms, job.spec);
      if (placement.nodes.empty()) {
        without_room.insert(shape(job.spec));
        return false;
      }
      placement.task = {job.id, task};
      placement.attempt = before == nullptr ? 1 : before->attempt + 1;
      placements.push_back(std::move(placement));
      ++running;
      return true;
    });
  }
  return placements;
}

std::vector<Deriving> roots_wanted(const State& state) {
  std::vector<Deriving> out;
  for (const QueueKey& queued : state.queue) {
    const Job& job = state.jobs.at(queued.job);
    const bool may_need = !job.spec.after_ok.empty() || job.spec.retries > 0;
    if (!may_need || first_unmet(state, job) != nullptr) continue;
    const auto want = [&](int32_t task) {
      const std::optional<Deriving> wanted = root_to_derive(job, {job.id, task});
      if (wanted && state.presence.deriving.count(*wanted) == 0) out.push_back(*wanted);
      return !wanted || wanted->attempt > 1;
    };
    if (job.spec.array.empty()) {
      want(kNoTask);
      continue;
    }
    if (!job.spec.after_ok.empty() && !want(*next_task(job))) continue;
    for (const int32_t task : job.again) want(task);
  }
  return out;
}

}  // namespace devrun::controller
