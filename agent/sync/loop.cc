#include "agent/sync/loop.h"

#include "common/base/check.h"

namespace devrun::agent {
namespace {
// Far beyond what the attempts of a node can have under way; more is a bug that should not eat the memory.
constexpr size_t kQueuedMax = 100'000;
}  // namespace

Time wall_now() {
  using std::chrono::duration_cast, std::chrono::microseconds, std::chrono::system_clock;
  return {duration_cast<microseconds>(system_clock::now().time_since_epoch()).count()};
}

void Loop::start() {
  thread_ = std::thread([this] { run(); });
}

void Loop::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    changed_.notify_all();
  }
  if (thread_.joinable()) thread_.join();
}

void Loop::post(Work work) {
  const std::lock_guard lock(mutex_);
  if (stopped_) return;
  CHECK(queue_.size() < kQueuedMax);
  queue_.push_back(std::move(work));
  changed_.notify_one();
}

void Loop::post_after(Duration delay, Work work) {
  const std::lock_guard lock(mutex_);
  if (stopped_) return;
  CHECK(timers_.size() < kQueuedMax);
  timers_.emplace(Clock::now() + std::chrono::microseconds(delay.us), std::move(work));
  changed_.notify_one();
}

void Loop::run() {
  std::unique_lock lock(mutex_);
  while (!stopped_) {
    while (!timers_.empty() && timers_.begin()->first <= Clock::now()) {
      queue_.push_back(std::move(timers_.begin()->second));
      timers_.erase(timers_.begin());
    }
    if (!queue_.empty()) {
      const Work work = std::move(queue_.front());
      queue_.pop_front();
      lock.unlock();
      work();
      lock.lock();
    } else if (!timers_.empty()) {
      changed_.wait_until(lock, timers_.begin()->first);
    } else {
      changed_.wait(lock);
    }
  }
}

}  // namespace devrun::agent
