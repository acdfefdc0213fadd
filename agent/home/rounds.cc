#include "agent/home/rounds.h"

#include <chrono>

namespace devrun::home {

Result<std::optional<HomeSummary>> Rounds::run(const Round& round) {
  HomeCall call(controller_);
  {
    const std::lock_guard lock(mutex_);
    if (stopped_) return Error{Code::kCancelled, "stopped", {}};
    calls_.insert(&call);
  }
  Result<std::optional<HomeSummary>> out = call.run(round);
  const std::lock_guard lock(mutex_);
  calls_.erase(&call);
  return out;
}

bool Rounds::pause(Duration time) {
  std::unique_lock lock(mutex_);
  return !stop_.wait_for(lock, std::chrono::microseconds(time.us), [this] { return stopped_; });
}

void Rounds::stop() {
  const std::lock_guard lock(mutex_);
  stopped_ = true;
  for (HomeCall* call : calls_) call->cancel();
  stop_.notify_all();
}

bool Rounds::stopped() {
  const std::lock_guard lock(mutex_);
  return stopped_;
}

}  // namespace devrun::home
