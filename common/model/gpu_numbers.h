// How devrun counts the GPUs of a node: whole ones as the driver did when it was first asked, from 0; slices of number N
// from 100 + 10 N on, so that whose slice a number was can be told when the slice is no more.
#pragma once

#include <cstdint>

namespace devrun {

inline constexpr uint32_t kGpuSlicesFrom = 100;
inline constexpr uint32_t kGpuSlicesOfOne = 10;

constexpr bool is_slice_number(uint32_t number) {
  return number >= kGpuSlicesFrom;
}
constexpr uint32_t whole_of_slice(uint32_t number) {
  return (number - kGpuSlicesFrom) / kGpuSlicesOfOne;
}

}  // namespace devrun
