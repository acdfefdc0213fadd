#include "controller/core/deadlines.h"

#include <algorithm>

namespace devrun::controller {

void Deadlines::begin(const Ledger& ledger) {
  *this = {};
  for (const auto& [name, node] : ledger.nodes) {
    for (const AttemptKey& key : node.live) look_at(ledger, key);
  }
}

void Deadlines::note(const Ledger& ledger, const Event& event) {
  if (const auto* reported = std::get_if<AttemptReported>(&event.kind)) {
    look_at(ledger, reported->observed.key);
  } else if (const auto* near = std::get_if<TimeLimitNear>(&event.kind)) {
    const Task* task = find_task(ledger, near->task);
    for (uint32_t i = 0; task != nullptr && i < task->ranks.size(); ++i) {
      look_at(ledger, {near->task.job, near->task.task, i, task->attempt});
    }
  } else if (const auto* ended = std::get_if<TaskEnded>(&event.kind)) {
    forget_task(ended->task);
  } else if (const auto* retried = std::get_if<TaskRetried>(&event.kind)) {
    forget_task(retried->task);
  }
}

void Deadlines::look_at(const Ledger& ledger, const AttemptKey& key) {
  forget(key);
  const JobSpec& spec = ledger.jobs.at(key.job).spec;
  const Rank* rank = find_rank(ledger, key);
  if (spec.time_limit.us == 0 || rank == nullptr || rank->timeline.started.us == 0) return;
  const Task& task = *find_task(ledger, key.task_key());
  // Its program has ended, or is being ended.
  if (task.stop || rank->phase >= Phase::kCompleting) return;
  Time at = program_began(task, *rank) + spec.time_limit;
  if (spec.warn_signal != 0 && !task.warned) at = at + Duration{-spec.warn_before.us};
  at_[key] = at;
  order_.insert({at, key});
}

void Deadlines::forget(const AttemptKey& key) {
  const auto it = at_.find(key);
  if (it == at_.end()) return;
  order_.erase({it->second, key});
  at_.erase(it);
}

void Deadlines::forget_task(TaskKey task) {
  auto it = at_.lower_bound({task.job, task.task, 0, 0});
  while (it != at_.end() && it->first.task_key() == task) {
    order_.erase({it->second, it->first});
    it = at_.erase(it);
  }
}

std::vector<AttemptKey> Deadlines::take_due(Time now) {
  std::vector<AttemptKey> out;
  while (!order_.empty() && order_.begin()->first <= now) {
    out.push_back(order_.begin()->second);
    at_.erase(order_.begin()->second);
    order_.erase(order_.begin());
  }
  return out;
}

}  // namespace devrun::controller
