// How devrun-gpus ends.
#pragma once

namespace devrun::gpu_probe {

inline constexpr int kStatusNoLibrary = 3;  // no driver is installed
inline constexpr int kStatusRefused = 4;    // there is one, and it does not serve us
inline constexpr int kStatusUnfit = 5;      // --check: a GPU failed it

}  // namespace devrun::gpu_probe
