// AMD's GPUs as the kernel's driver tells them: /sys/class/kfd (what computes, and how it is joined) and /sys/class/drm (what it
// does). No library is needed. Tested on made folders alone.
#pragma once

#include <string>

#include "agent/gpu_probe/probe.h"

namespace devrun::gpu_probe {

// Adds what it sees below `root`; nothing where there is no such driver. False then.
bool look_at_amd(const std::string& root, Round& round);

}  // namespace devrun::gpu_probe
