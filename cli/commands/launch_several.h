// A plan's jobs, submitted and followed: one task alone, a pipeline (each after the ones before it have succeeded, with
// what those wrote laid over the one snapshot of all), a group (all begin together), an array or a sweep.
#pragma once

#include <string>

#include "cli/client/controller.h"
#include "cli/client/signals.h"
#include "cli/commands/command.h"
#include "cli/launch/plan.h"

namespace devrun::cli {

struct LaunchWish {
  const launch::Plan& plan;
  std::string file;    // what tasks without a name are called by
  std::string volume;  // empty: the task's image's, or the caller's
  bool no_setup = false;
  bool detach = false;
  bool json = false;
  bool quiet = false;
  bool fresh_setup = false;
};

// The exit status: of several that of the first that failed. Detached, the ids are printed, a line each.
Result<int> launch_plan(const LaunchWish& wish, const Target& target, Context& context);

}  // namespace devrun::cli
