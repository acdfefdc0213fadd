// devrun-slurm's rounds: look, decide, do. It holds nothing that it could not find again: see decide.h.
#pragma once

#include <string>

#include "cli/client/target.h"
#include "cli/pilots/policy.h"
#include "common/base/result.h"

namespace devrun::pilots {

// Until SIGTERM or SIGINT; pilots go on meanwhile. There is one for each prefix: it, and what it has started (an sbatch that is
// under way), hold a lock, so that a successor never overlooks what is being asked for. `once`: a round, and its end.
Status run_daemon(const Policy& policy, const cli::Target& controller, bool once);

// For people: which pilots there are, what would be done next, what Slurm has refused. Changes nothing.
Result<std::string> status_text(const Policy& policy, const cli::Target& controller);

}  // namespace devrun::pilots
