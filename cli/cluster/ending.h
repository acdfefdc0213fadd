// Ending whatever lives of a cluster, or of one node of it, in an order in which nothing starts
// anew and every ending is recorded: controller, agents, containers, shims, then keepers, file
// systems and servers.
#pragma once

#include "cli/cluster/layout.h"
#include "common/base/result.h"

namespace devrun::cluster {

struct Ended {
  int processes = 0;
  int attempts = 0;  // shims among them
};

// How many attempts run, dev containers among them: their shims. `layout.folder` may be the folder of one node.
int running_attempts(const Layout& layout);

// `layout.folder` may be the folder of one node. An Error names those that cannot be ended. With a `lost_reason`,
// attempts get no chance to end by themselves: what they ran on has gone, and their ending is that, in those words.
Result<Ended> end_members(const Layout& layout, const std::string& lost_reason = {});

// Undoes mounts in our own namespace, if any leaked there, waits for the loop devices to go, and removes the cgroups. An
// Error names what stays, and whose it is.
Status verify_nothing_left(const Layout& layout);

}  // namespace devrun::cluster
