// `devrun doctor --gpu`: tries each GPU of this machine (agent/gpu_probe/check.h) and says what to do about what failed.
#pragma once

#include <string>

namespace devrun::cluster {

// Prints as it goes; 0: all is well, 125: something is not. `driver_root`: below which the driver is installed.
int check_gpus(const std::string& driver_root);

}  // namespace devrun::cluster
