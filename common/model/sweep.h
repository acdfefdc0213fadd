// A sweep: an array whose tasks are the points of a few variables' values, each with each, the last one changing fastest.
// Pure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/model/job.h"

namespace devrun {

// How many there are; 1 of no variables. kNoPoints if one has no value, or if they are more than `most`.
inline constexpr uint64_t kNoPoints = 0;
uint64_t sweep_points(const std::vector<SweepVariable>& sweep, uint64_t most);

// NAME=VALUE of each variable for the task at `position` of the array, which is below sweep_points.
std::vector<std::string> sweep_point(const std::vector<SweepVariable>& sweep, uint64_t position);

// "lr=0.1 seed=3".
std::string sweep_point_text(const std::vector<SweepVariable>& sweep, uint64_t position);

}  // namespace devrun
