// Time as the pure cores see it: integers that arrive as arguments. Only the files that tests/lint
// names may read a clock.
#pragma once

#include <compare>
#include <cstdint>

namespace devrun {

// Microseconds since the Unix epoch. Wall time: for people and for durations that survive restarts.
struct Time {
  int64_t us = 0;
  auto operator<=>(const Time&) const = default;
};

// A span in microseconds.
struct Duration {
  int64_t us = 0;
  auto operator<=>(const Duration&) const = default;
};

constexpr Duration seconds(int64_t n) {
  return {n * 1'000'000};
}
constexpr Duration milliseconds(int64_t n) {
  return {n * 1'000};
}
constexpr Duration operator+(Duration a, Duration b) {
  return {a.us + b.us};
}
constexpr Time operator+(Time t, Duration d) {
  return {t.us + d.us};
}
constexpr Duration operator-(Time a, Time b) {
  return {a.us - b.us};
}

}  // namespace devrun
