// All of a node as one tree of processes, where there is no systemd: in a container of its own (deploy/kubernetes), in an
// allocation of Slurm's (deploy/slurm). What devrun-keeper.service and devrun-agent.service do there, one process does here,
// and when it is told to end, the node leaves the cluster: its jobs cannot outlive it.
//
//   keeper ──▶ files ──▶ agent, started again when it ends ──TERM──▶ the agent leaves (leave_on_stop) ──▶ the keeper ends
#pragma once

#include <string>

#include "cli/start/node_config.h"
#include "common/base/result.h"

namespace devrun::start {

// What the node's programs may take beyond leave_on_stop, to bring home what jobs have written, before they are killed.
inline constexpr Duration kLeaveSlack = seconds(30);

// Runs the node that `file` describes, of which `config` has been read, until SIGTERM or SIGINT (ok), or until its keeper
// ends (an Error). Afterwards nothing of it is left: no process, mount or cgroup. From a process with one thread, which reaps
// whatever ends below it from then on.
Status run_whole_node(const NodeConfig& config, const std::string& file);

}  // namespace devrun::start
