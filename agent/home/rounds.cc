#include "agent/home/rounds.h"

namespace devrun::home {

Result<std::optional<HomeSummary>> Rounds::run(const Round& round) {
  HomeCall call(controller_);
  {
    const std::lock_guard lock(mutex_);
    if (stopped_ || left_.contains(round.key)) return Error{Code::kCancelled, "stopped", {}};
    calls_.emplace(&call, round.key);
  }
  Result<std::optional<HomeSummary>> out = call.run(round);
  const std::lock_guard lock(mutex_);
  calls_.erase(&call);
  return out;
}

void Rounds::leave(const AttemptKey& key) {
  const std::lock_guard lock(mutex_);
  left_.insert(key);
  for (const auto& [call, of] : calls_) {
    if (of == key) call->cancel();
  }
}

void Rounds::wait_again(const AttemptKey& key) {
  const std::lock_guard lock(mutex_);
  left_.erase(key);
}

bool Rounds::is_left(const AttemptKey& key) {
  const std::lock_guard lock(mutex_);
  return left_.contains(key);
}

void Rounds::stop() {
  const std::lock_guard lock(mutex_);
  stopped_ = true;
  for (const auto& [call, key] : calls_) call->cancel();
}

bool Rounds::stopped() {
  const std::lock_guard lock(mutex_);
  return stopped_;
}

}  // namespace devrun::home
