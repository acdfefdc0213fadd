// Whether a folder, or this machine, belongs to a cluster that `devrun up` did not make: a controller's machine or a node by
// packages (docs/install.md). `up` would take its journal, give it a store that is empty, and end what runs there.
#pragma once

#include <string>

#include "cli/cluster/layout.h"
#include "common/base/result.h"

namespace devrun::cluster {

// kConflict, and what to do instead. Looks only, and before anything else is done. `configurations`: /etc/devrun.
Status check_not_installed(const Layout& layout, const std::string& configurations);

}  // namespace devrun::cluster
