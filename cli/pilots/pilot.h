// A pilot: what a batch job of Slurm's runs, as root. It waits until it is let in (admit.h), joins the cluster, and is a node
// (cli/start/whole_node.h, in a space of its own) until Slurm tells it to end or kills it.
//
//   sbatch ─▶ this process ──▶ first process of its space: keeper, devrun-fs, agent, jobs
//                ▲ TERM of scancel, preemption and the time limit: the node leaves; KILL: the kernel ends all of it
//
// Each pilot of a machine takes a numbered folder below `state` that no other holds; it empties it, but for the cache of what
// jobs read, which the next pilot finds.
#pragma once

#include <string>

#include "cli/pilots/pilot_config.h"
#include "common/base/result.h"

namespace devrun::pilots {

// Until its end.
Status run_pilot(const PilotOrder& order);

}  // namespace devrun::pilots
