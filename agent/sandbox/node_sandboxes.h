// Sandboxes over a list of steps: the real ones, or some that a test makes fail.
#pragma once

#include <memory>
#include <vector>

#include "agent/sandbox/sandboxes.h"
#include "agent/sandbox/setup.h"

namespace devrun::sandbox {

Result<std::unique_ptr<Sandboxes>> open_sandboxes(Ground ground, std::vector<Step> steps);

// What the host has: its cgroup controllers and the seccomp profile.
Result<Parts> parts_of_host();

}  // namespace devrun::sandbox
