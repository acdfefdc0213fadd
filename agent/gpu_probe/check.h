// A short check of each GPU that this process sees, by CUDA's driver API, opened at run time: open it, copy memory there and
// back, copy from each to each that it reaches directly, and add up a vector over all of them (an all-reduce over the
// driver's copies, with no kernel, since a program that needs no compiler has none).
#pragma once

#include <string>

namespace devrun::gpu_probe {

// Prints a line for each thing that was tried. 0: all is well, or a status of devrun-gpus.
int check_gpus(const std::string& library);

}  // namespace devrun::gpu_probe
