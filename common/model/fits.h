// Whether a node could hold a job if nothing else were there: for the scheduler, and for whoever warns of a job that
// nothing can satisfy. Pure.
#pragma once

#include "common/model/job.h"
#include "common/model/node.h"

namespace devrun {

// A dev container runs on the storage host, unless it asks for a node that shows live volumes (kLiveLabel).
bool lives_on_storage_host(const JobSpec& spec);
// What a job takes of each of its nodes: what it asks for, but nothing if that is the storage host, where a dev container's
// resources are its limits alone.
Resources taken_by(const JobSpec& spec);

// The site mount on which the job's own folder lies, so that only nodes that have it can run it; empty: none. (What a
// submission knows of the nodes' mounts is part of its paths.)
std::string needed_site(const JobSpec& spec);
bool has_site(const NodeHello& node, const std::string& site);  // of an empty one: true

// A job with a time limit goes nowhere where that may be over too late: a node that leaves by itself takes along what runs.
inline constexpr Duration kAfterLimit = seconds(15);  // the job's grace, and slack of the node
bool leaves_too_soon(Time leaves, Duration time_limit, Time now);

// The kind of node, whatever is free there: dev containers, pool, labels, the site mount that is needed.
bool may_run_on(const NodeHello& node, const JobSpec& spec);
// Whether an empty node could hold it.
bool fits(const NodeHello& node, const Resources& need);

}  // namespace devrun
