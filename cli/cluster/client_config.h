// CLUSTER/config.yaml, with which the administrator's commands find the controller, and the link to
// it from
// ~/.config/devrun/config.yaml, where they look.
#pragma once

#include <string>

#include "cli/cluster/layout.h"
#include "common/base/result.h"

namespace devrun::cluster {

// `controller`: HOST:PORT.
Status write_client_config(const Layout& layout, const std::string& controller);

// Makes the link unless the user has a file of their own there, another cluster's link that leads
// somewhere, or DEVRUN_CONFIG set. Returns whether commands without further settings will find this
// cluster.
Result<bool> link_client_config(const Layout& layout);

// Removes the link if it is to this cluster.
void unlink_client_config(const Layout& layout);

}  // namespace devrun::cluster
