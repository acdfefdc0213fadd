// All chance of one simulation: a seed gives the same numbers on every machine, which the standard library's
// distributions do not promise.
#pragma once

#include <cstdint>
#include <vector>

#include "common/base/check.h"
#include "common/base/time.h"

namespace devrun::sim {

class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed * 0x9e3779b97f4a7c15ULL + 1) {}

  uint64_t next() {
    uint64_t z = (state_ += 0x9e3779b97f4a7c15ULL);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
  }
  // 0 … n - 1
  int64_t below(int64_t n) {
    CHECK(n > 0);
    return static_cast<int64_t>(next() % static_cast<uint64_t>(n));
  }
  // Both ends included.
  int64_t between(int64_t low, int64_t high) { return low + below(high - low + 1); }
  Duration between(Duration low, Duration high) { return {between(low.us, high.us)}; }
  bool chance(int per_thousand) { return below(1000) < per_thousand; }
  // Mostly small, sometimes large: as often between 1 and 10 as between 10 and 100.
  Duration spread(Duration low, Duration high) {
    int64_t top = low.us;
    while (top < high.us && chance(600)) top *= 4;
    return between(low, {std::min(top * 4, high.us)});
  }
  template <typename T>
  const T& one_of(const std::vector<T>& all) {
    return all[static_cast<size_t>(below(static_cast<int64_t>(all.size())))];
  }

 private:
  uint64_t state_;
};

}  // namespace devrun::sim
