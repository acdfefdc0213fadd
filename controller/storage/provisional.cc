#include "controller/storage/provisional.h"

#include <sys/resource.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/tree/paths.h"

namespace devrun::storage {

namespace {
constexpr int kNiceness = 10;  // runs and snapshots come first
}

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
    queue_.push_back({body, size});
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

void ProvisionalHasher::wait_until_idle() const {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return queue_.empty() && !busy_; });
}

void ProvisionalHasher::run() {
  // Of this thread alone, on Linux.
  (void)::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), kNiceness);
  const auto stopping = [this] {
    const std::lock_guard lock(mutex_);
    return stopping_;
  };
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return !queue_.empty() || stopping_; });
    if (stopping_) return;
    const Wanted next = queue_.front();
    queue_.pop_front();
    busy_ = true;
    lock.unlock();
    const Result<tree::Body> named = hash_(next.body, next.size, stopping);
    if (!named && !stopping()) {
      log::warning("{} stays provisional: {}", tree::body_path(next.body), named.error().message);
    }
    lock.lock();
    busy_ = false;
    if (named) hashed_.emplace(next.body.id, *named);
    changed_.notify_all();
  }
}

}  // namespace devrun::storage
