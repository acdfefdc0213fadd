// Pauses between tries: 50 ms, doubled up to 1 s, each made up to a quarter longer or shorter by chance, so that the
// agents of a cluster do not come back all at once.
#pragma once

#include <algorithm>
#include <random>

#include "common/base/time.h"

namespace devrun::agent {

class Backoff {
 public:
  explicit Backoff(uint32_t seed) : random_(seed) {}

  Duration next() {
    const int64_t pause_us = std::min<int64_t>(kFirstUs << tries_, kMostUs);
    tries_ = std::min(tries_ + 1, 10);
    return {pause_us * (75 + static_cast<int64_t>(random_() % 51)) / 100};
  }
  void reset() { tries_ = 0; }

 private:
  static constexpr int64_t kFirstUs = 50'000;
  static constexpr int64_t kMostUs = 1'000'000;
  std::minstd_rand random_;
  int tries_ = 0;
};

}  // namespace devrun::agent
