// From configuration files to what each daemon is told (cli/cluster/plan.h).
#pragma once

#include <string>
#include <vector>

#include "cli/cluster/ganesha.h"
#include "cli/cluster/plan.h"
#include "cli/start/controller_config.h"
#include "cli/start/node_config.h"

namespace devrun::start {

cluster::AgentPlan agent_plan(const NodeConfig& config);
cluster::FilesPlan files_plan(const NodeConfig& config);

cluster::ControllerPlan controller_plan(const ControllerConfig& config);
// Of the agent for dev containers, on the controller's machine.
cluster::AgentPlan storage_agent_plan(const ControllerConfig& config);
cluster::GaneshaPlan ganesha_plan(const ControllerConfig& config);
// What nodes that join get for their agent.yaml, beside their name, address and controller.
std::string node_settings(const ControllerConfig& config);
std::string node_settings_file(const ControllerConfig& config);
// HOST:PORT of the controller as this machine and as others reach it.
std::string local_endpoint(const ControllerConfig& config);
std::string public_endpoint(const ControllerConfig& config, const std::string& listen);
// All by which the controller's certificate shall know it.
std::vector<std::string> certified_hosts(const ControllerConfig& config);

// Where a node keeps its key and certificate, both in one file, so that they are exchanged together.
std::string identity_file(const std::string& state, const std::string& node);
std::string authority_file(const std::string& state);

}  // namespace devrun::start
