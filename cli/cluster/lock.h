// One `up` or `down` at a time per cluster.
#pragma once

#include "cli/cluster/layout.h"
#include "common/base/result.h"
#include "common/runtime/fd.h"

namespace devrun::cluster {

// Held until the descriptor is closed, by whatever end of the process. Waits a while for another
// holder.
Result<UniqueFd> lock_cluster(const Layout& layout);

}  // namespace devrun::cluster
