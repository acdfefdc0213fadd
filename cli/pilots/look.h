// What the controller and Slurm say just now, and doing what was decided. Blocking.
#pragma once

#include <string>

#include "cli/client/controller.h"
#include "cli/pilots/decide.h"
#include "cli/pilots/slurm.h"
#include "common/base/result.h"

namespace devrun::pilots {

// All of it or an error: nothing is decided upon half of it.
Result<Seen> look(cli::Controller& controller, const Slurm& slurm, Time now);

// What an action comes to. Each may be repeated.
class Hands {
 public:
  Hands(const Policy& policy, cli::Controller& controller, const Slurm& slurm)
      : policy_(policy), controller_(controller), slurm_(slurm) {}

  Status perform(const Action& action);
  // The number of the job that was submitted last; 0: none was.
  uint64_t submitted() const { return submitted_; }

 private:
  Status one(const Ask& action);
  Status one(const Admit& action);
  Status one(const Drain& action);
  Status one(const Undrain& action);
  Status one(const Cancel& action);
  Status one(const Retire& action);
  Status one(const Blame&) { return ok(); }
  Status one(const Void& action) { return revoke(action.name); }
  Status revoke(const std::string& name);  // fine if there was nothing

  const Policy& policy_;
  cli::Controller& controller_;
  const Slurm& slurm_;
  uint64_t submitted_ = 0;
};

}  // namespace devrun::pilots
