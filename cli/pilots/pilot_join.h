// A pilot's node joins its cluster, as `devrun nodes join` does on an ordinary machine.
#pragma once

#include <string>

#include "cli/pilots/admit.h"
#include "cli/pilots/pilot_config.h"
#include "common/base/result.h"

namespace devrun::pilots {

// Makes a key, gets a certificate, and writes both and the configuration into `state`. In a process of its own, since gRPC's
// threads are not to be in the one that forks and makes namespaces afterwards.
Status join_in_child(const PilotOrder& order, const Secret& secret, const std::string& state);

// agent.yaml of that folder.
std::string config_file(const std::string& state);

}  // namespace devrun::pilots
