// The clocks of one machine: the wall clock runs a little too fast or too slow and is set now and then; the boot clock
// only drifts. (common/runtime/boot_clock.h, controller/rpc/clock.h, agent/sync/loop.h)
#pragma once

#include "common/base/time.h"

namespace devrun::sim {

inline constexpr Time kEpoch{1'800'000'000'000'000};

struct Clocks {
  int64_t drift_ppm = 0;
  Duration set_by;  // how far the wall clock is from the truth, but for the drift
  Time booted;      // true time

  Duration drifted(Duration true_span) const {
    return {true_span.us + true_span.us / 1'000'000 * drift_ppm};
  }
  Time wall(Time true_now) const { return kEpoch + drifted(true_now - Time{}) + set_by; }
  // From 1 s on: 0 means "never".
  Time boot(Time true_now) const { return Time{1'000'000} + drifted(true_now - booted); }
};

}  // namespace devrun::sim
