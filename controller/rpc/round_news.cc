#include "controller/rpc/round_news.h"

#include <algorithm>

namespace devrun::controller {

uint64_t RoundNews::now() const {
  const std::lock_guard lock(mutex_);
  return moment_;
}

RoundNews::Known& RoundNews::known(const AttemptKey& key) {
  ++moment_;
  if (known_.size() >= kAttemptsMax && !known_.contains(key)) {
    known_.erase(std::ranges::min_element(known_, {}, [](const auto& one) {
      return std::max(one.second.began_at, one.second.failed_at);
    }));
  }
  return known_[key];
}

void RoundNews::began(const AttemptKey& key) {
  const std::lock_guard lock(mutex_);
  Known& of = known(key);
  of.began_at = moment_;
}

void RoundNews::failed(const AttemptKey& key, const Error& error) {
  const std::lock_guard lock(mutex_);
  Known& of = known(key);
  of.failed_at = moment_;
  of.failure = error;
}

RoundNews::News RoundNews::since(const AttemptKey& key, uint64_t moment) const {
  const std::lock_guard lock(mutex_);
  const auto found = known_.find(key);
  if (found == known_.end()) return {};
  const Known& of = found->second;
  News out;
  out.began = of.began_at > moment;
  if (of.failed_at > moment) out.failure = of.failure;
  return out;
}

}  // namespace devrun::controller
