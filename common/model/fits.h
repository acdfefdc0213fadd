// Whether a node could hold a job if nothing else were there: for the scheduler, and for whoever warns of a job that
// nothing can satisfy. Pure.
#pragma once

#include "common/model/job.h"
#include "common/model/node.h"

namespace devrun {

// The kind of node, whatever is free there: dev containers, pool, labels.
bool may_run_on(const NodeHello& node, const JobSpec& spec);
// Whether an empty node could hold it.
bool fits(const NodeHello& node, const Resources& need);

}  // namespace devrun
