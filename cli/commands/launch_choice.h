// Which of its alternatives (`any_of`, `ordered`, lists of accelerators) a task asks for when it is submitted: the first for
// which there is room now, else the first that the cluster could ever have. Those that it could have go with the job, and while
// it waits the scheduler takes whichever finds room first (controller/core/alternatives.h).
#pragma once

#include <string>
#include <vector>

#include "cli/client/controller.h"
#include "cli/commands/command.h"
#include "cli/launch/plan.h"

namespace devrun::cli {

struct Chosen {
  launch::TaskPlan task;                // asks for what was chosen
  std::vector<Resources> alternatives;  // of the job, as preferred; empty: none but that
  std::string words;  // what was taken and why; empty: the first, or there is no choice
};

// `later`: the task does not start now in any case. If the controller cannot be asked, it is the first.
Result<Chosen> choose(Controller& controller, const Context& context, const Target& target,
                      const launch::TaskPlan& task, const std::string& name, bool later);

}  // namespace devrun::cli
