// What the nodes lack for a job, in words. The largest thing that is lacking is named, with the best that there is, so that
// whoever reads it knows what would let the job start.
#pragma once

#include <string>

#include "controller/core/schedule.h"

namespace devrun::controller {

struct Shortage {
  std::string words;     // empty: there is room
  bool never = false;    // an empty cluster would not do
  bool limited = false;  // a limit of its user or pool is reached, whatever the nodes have
};
// "2 cores, 8 H100 GPUs"
std::string say_need(const Resources& need);
Shortage shortage(const State& state, const Shape& shape, std::optional<ShapeId> own, Time now);

}  // namespace devrun::controller
