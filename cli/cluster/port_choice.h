// Which ports a cluster serves at. They are chosen once: attached calls, jobs and other machines' configurations know the
// cluster by them, and the nodes keep containers off the store's. So `up` moves one only if it is told to.
#pragma once

#include "cli/cluster/layout.h"
#include "cli/cluster/record.h"
#include "common/base/result.h"
#include "common/runtime/fd.h"

namespace devrun::cluster {

// Fills in the ports that `record` lacks, or all of daemons that do not run if they shall `move`. The descriptor holds
// a lock of the machine until what serves there has bound its port, so that two `up` at once choose different ones
// (none if there was nothing to choose). kConflict: somebody else has a port of the cluster's; says who.
Result<UniqueFd> choose_ports(const Layout& layout, Record& record, bool move);

}  // namespace devrun::cluster
