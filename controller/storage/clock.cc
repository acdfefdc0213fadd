#include "controller/storage/clock.h"

#include <ctime>

#include "common/tree/stat_values.h"

namespace devrun::storage {

namespace {

int64_t read(clockid_t clock) {
  timespec now{};
  ::clock_gettime(clock, &now);
  return tree::nanoseconds(now);
}

}  // namespace

Time clock_now() {
  return {clock_ns() / 1000};
}

int64_t clock_ns() {
  return read(CLOCK_REALTIME);
}

int64_t monotonic_us() {
  return read(CLOCK_MONOTONIC) / 1000;
}

}  // namespace devrun::storage
