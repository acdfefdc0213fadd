#include "controller/storage/provisional.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>

#include "common/base/log.h"
#include "common/tree/paths.h"

namespace devrun::storage {

namespace {
constexpr int kNiceness = 10;  // runs and snapshots come first
constexpr auto kRest = std::chrono::seconds(5);
}  // namespace

ProvisionalHasher::~ProvisionalHasher() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void ProvisionalHasher::hash_later(const tree::Body& body, uint64_t size) {
  {
    const std::lock_guard lock(mutex_);
    if (!asked_.insert(body.id).second) return;
    queue_.push_back({body, size, Clock::now() + kRest});
    if (!thread_.joinable()) thread_ = std::thread([this] { run(); });
  }
  changed_.notify_all();
}

std::optional<tree::Body> ProvisionalHasher::hashed(const tree::Body& body) const {
  const std::lock_guard lock(mutex_);
  const auto found = hashed_.find(body.id);
  return found == hashed_.end() ? std::nullopt : std::optional(found->second);
}

void ProvisionalHasher::forget(const tree::Body& body) {
  const std::lock_guard lock(mutex_);
  if (hashed_.erase(body.id) > 0) asked_.erase(body.id);
}

void ProvisionalHasher::abandon(const tree::Body& body) {
  const std::lock_guard lock(mutex_);
  const auto is_it = [&body](const Wanted& wanted) { return wanted.body.id == body.id; };
  if (std::erase_if(queue_, is_it) > 0) asked_.erase(body.id);
  if (busy_ == body.id) abandoned_ = true;
}

void ProvisionalHasher::wait_until_idle() {
  std::unique_lock lock(mutex_);
  ++hurried_;
  changed_.notify_all();
  changed_.wait(lock, [this] { return queue_.empty() && !busy_; });
  --hurried_;
}

bool ProvisionalHasher::wait_for_next(std::unique_lock<std::mutex>& lock) {
  while (!stopping_) {
    if (queue_.empty()) {
      changed_.wait(lock);
    } else if (hurried_ > 0 || Clock::now() >= queue_.front().not_before) {
      return true;
    } else {
      changed_.wait_until(lock, queue_.front().not_before);
    }
  }
  return false;
}

void ProvisionalHasher::run() {
  // Of this thread alone, on Linux.
  (void)::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), kNiceness);
  const auto ended = [this] {
    const std::lock_guard lock(mutex_);
    return stopping_ || abandoned_;
  };
  std::unique_lock lock(mutex_);
  while (wait_for_next(lock)) {
    const Wanted next = queue_.front();
    queue_.pop_front();
    busy_ = next.body.id;
    abandoned_ = false;
    lock.unlock();
    const Result<tree::Body> named = hash_(next.body, next.size, ended);
    if (!named && !ended()) {
      log::warning("{} stays provisional: {}", tree::body_path(next.body), named.error().message);
    }
    lock.lock();
    busy_.reset();
    if (named) hashed_.emplace(next.body.id, *named);
    changed_.notify_all();
  }
}

}  // namespace devrun::storage
