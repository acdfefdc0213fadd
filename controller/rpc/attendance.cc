#include "controller/rpc/attendance.h"

#include <algorithm>

namespace devrun::controller {

void Attendance::came(JobId job) {
  const std::lock_guard lock(mutex_);
  ++attached_[job];
}

void Attendance::left(JobId job, Time now) {
  const std::lock_guard lock(mutex_);
  const auto it = attached_.find(job);
  if (it == attached_.end() || --it->second != 0) return;
  attached_.erase(it);
  left_at_[job] = now;
}

std::vector<JobId> Attendance::abandoned(const State& state, Time now) {
  for (auto it = state.jobs.upper_bound(looked_at_); it != state.jobs.end(); ++it) {
    looked_at_ = it->first;
    if (it->second.spec.cancel_on_disconnect && !it->second.outcome) due_[it->first] = now;
  }
  std::vector<JobId> out;
  const std::lock_guard lock(mutex_);
  for (auto it = due_.begin(); it != due_.end();) {
    const auto known = state.jobs.find(it->first);
    if (known == state.jobs.end() || known->second.outcome || known->second.kept) {
      left_at_.erase(it->first);
      it = due_.erase(it);
      continue;
    }
    const auto left = left_at_.find(it->first);
    const Time since = std::max(it->second, left == left_at_.end() ? Time{} : left->second);
    const Duration grace = std::max(known->second.spec.disconnect_grace, kDisconnectGraceMin);
    if (attached_.count(it->first) == 0 && now - since >= grace) out.push_back(it->first);
    ++it;
  }
  // Of jobs of other kinds nothing is remembered.
  std::erase_if(left_at_, [&](const auto& one) { return due_.count(one.first) == 0; });
  return out;
}

}  // namespace devrun::controller
