#include "controller/core/wait_list.h"

#include <algorithm>

#include "common/base/check.h"

namespace devrun::controller {

namespace {
constexpr int64_t kPriorityCountsAtMost = 100'000;  // steps: the product must stay a time
}

Time submitted_at(const Job& job) {
  const Timeline& times = job.timeline;
  return times.submitted.us != 0 ? times.submitted : times.journaled;
}

WaitKey wait_key(const Job& job, const Policy& policy) {
  const int64_t steps =
      std::clamp(int64_t{job.spec.priority}, -kPriorityCountsAtMost, kPriorityCountsAtMost);
  return {submitted_at(job).us - steps * policy.priority_step.us, job.id};
}

WaitKey WaitList::with_lag(WaitKey key, UserId user) const {
  return {key.at_us + lag(user).us, key.job};
}

Duration WaitList::lag(UserId user) const {
  return user < lags_.size() ? lags_[user] : Duration{};
}

ShapeId WaitList::shape_for(const JobSpec& spec) {
  Shape shape = devrun::controller::shape_of(spec);
  const std::string key = key_of(shape);
  const auto known = by_key_.find(key);
  if (known != by_key_.end()) return known->second;
  ShapeId id = static_cast<ShapeId>(shapes_.size());
  if (unused_.empty()) {
    shapes_.emplace_back();
  } else {
    id = unused_.back();
    unused_.pop_back();
  }
  shapes_[id].emplace();
  shapes_[id]->shape = std::move(shape);
  by_key_.emplace(key, id);
  live_.insert(id);
  return id;
}

void WaitList::unlist_head(ShapeQueue& queue, UserId user) {
  const auto of = queue.of_user.find(user);
  if (of != queue.of_user.end() && !of->second.empty()) {
    queue.heads.erase({with_lag(*of->second.begin(), user), user});
  }
}

void WaitList::list_head(ShapeQueue& queue, UserId user) {
  const auto of = queue.of_user.find(user);
  if (of != queue.of_user.end() && queue.stopped.count(user) == 0) {
    queue.heads.insert({with_lag(*of->second.begin(), user), user});
  }
}

// After a change of its heads, or of whether it is open.
void WaitList::file(ShapeId id) {
  ShapeQueue& queue = *shapes_[id];
  std::optional<WaitKey> now;
  if (queue.open && !queue.stopped_by_pool && !queue.heads.empty()) {
    now = queue.heads.begin()->first;
  }
  if (now == queue.ready) return;
  if (queue.ready) ready_.erase({*queue.ready, id});
  if (now) ready_.insert({*now, id});
  queue.ready = now;
}

void WaitList::put(const Job& job, UserId user, WaitKey key) {
  CHECK(!has(job.id));
  const ShapeId id = shape_for(job.spec);
  ShapeQueue& queue = *shapes_[id];
  jobs_[job.id] = {id, user, key};
  unlist_head(queue, user);
  queue.of_user[user].insert(key);
  list_head(queue, user);
  if (of_user_.size() <= user) of_user_.resize(user + 1);
  of_user_[user].insert(id);
  file(id);
}

std::optional<ShapeId> WaitList::remove(JobId job) {
  const auto it = jobs_.find(job);
  if (it == jobs_.end()) return {};
  const Waiting waiting = it->second;
  jobs_.erase(it);
  ShapeQueue& queue = *shapes_[waiting.shape];
  unlist_head(queue, waiting.user);
  std::set<WaitKey>& keys = queue.of_user.at(waiting.user);
  keys.erase(waiting.key);
  if (keys.empty()) {
    queue.of_user.erase(waiting.user);
    queue.stopped.erase(waiting.user);
    of_user_[waiting.user].erase(waiting.shape);
  }
  list_head(queue, waiting.user);
  file(waiting.shape);
  if (!queue.of_user.empty()) return {};
  by_key_.erase(key_of(queue.shape));
  live_.erase(waiting.shape);
  shapes_[waiting.shape].reset();
  unused_.push_back(waiting.shape);
  return waiting.shape;
}

std::optional<ShapeId> WaitList::first() const {
  if (ready_.empty()) return {};
  return ready_.begin()->second;
}

std::pair<WaitKey, UserId> WaitList::head(ShapeId shape) const {
  const auto& [key, user] = *shapes_[shape]->heads.begin();
  return {*shapes_[shape]->of_user.at(user).begin(), user};
}

void WaitList::set_open(ShapeId shape, bool open) {
  shapes_[shape]->open = open;
  file(shape);
}

void WaitList::stop_user(ShapeId shape, UserId user) {
  ShapeQueue& queue = *shapes_[shape];
  unlist_head(queue, user);
  queue.stopped.insert(user);
  file(shape);
}

void WaitList::stop_by_pool(ShapeId shape) {
  shapes_[shape]->stopped_by_pool = true;
  file(shape);
}

void WaitList::resume_user(UserId user) {
  if (user >= of_user_.size()) return;
  for (const ShapeId id : of_user_[user]) {
    ShapeQueue& queue = *shapes_[id];
    if (queue.stopped.erase(user) == 0) continue;
    list_head(queue, user);
    file(id);
  }
}

void WaitList::resume_pool(const std::string& pool) {
  for (const ShapeId id : live_) {
    ShapeQueue& queue = *shapes_[id];
    if (!queue.stopped_by_pool || queue.shape.pool != pool) continue;
    queue.stopped_by_pool = false;
    file(id);
  }
}

void WaitList::set_lag(UserId user, Duration lag) {
  if (lags_.size() <= user) lags_.resize(user + 1);
  if (lags_[user] == lag) return;
  if (user >= of_user_.size()) {  // nothing of theirs waits
    lags_[user] = lag;
    return;
  }
  for (const ShapeId id : of_user_[user]) unlist_head(*shapes_[id], user);
  lags_[user] = lag;
  for (const ShapeId id : of_user_[user]) {
    list_head(*shapes_[id], user);
    file(id);
  }
}

size_t WaitList::place_of(JobId job) const {
  const auto it = jobs_.find(job);
  return it == jobs_.end() ? 0 : before(it->second.key, lag(it->second.user)) + 1;
}

std::vector<JobId> WaitList::first_in_order(size_t jobs_max) const {
  std::vector<WaitKey> keys;
  keys.reserve(jobs_.size());
  for (const auto& [id, waiting] : jobs_) keys.push_back(with_lag(waiting.key, waiting.user));
  const size_t count = std::min(jobs_max, keys.size());
  std::partial_sort(keys.begin(), keys.begin() + static_cast<std::ptrdiff_t>(count), keys.end());
  std::vector<JobId> out;
  for (size_t i = 0; i < count; ++i) out.push_back(keys[i].job);
  return out;
}

size_t WaitList::before(WaitKey key, Duration own_lag) const {
  size_t out = 0;
  for (const ShapeId id : live_) {
    for (const auto& [user, keys] : shapes_[id]->of_user) {
      const WaitKey limit{key.at_us + own_lag.us - lag(user).us, key.job};
      out += static_cast<size_t>(std::distance(keys.begin(), keys.lower_bound(limit)));
    }
  }
  return out;
}

}  // namespace devrun::controller
