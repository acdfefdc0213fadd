// A live folder is the volume itself: jobs that have one end when their owner may not write that volume any more. (What they
// have of a snapshot stays theirs, and what they write comes home only while they may.)
#pragma once

#include "controller/rpc/services.h"

namespace devrun::controller {

// After shares, groups or users were taken back: looks at all jobs that have not ended. Blocks; any thread but the core's.
// Whoever submits a job with live folders calls it afterwards, too: a right that went in between is then seen by one of the
// two.
void end_jobs_without_rights(const Parts& parts);

// Whether it is worth calling for that job.
bool has_live_folders(const JobSpec& spec);

}  // namespace devrun::controller
