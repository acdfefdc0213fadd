// ListJobs: what of the ledger is asked for, on the core's thread, and then what of the history, on a reader's, until
// there are enough. A job that moves meanwhile is in one of the two, or in both and told once.
#pragma once

#include "controller/journal/job_filter.h"
#include "controller/rpc/identity.h"
#include "controller/rpc/services.h"
#include "devrun/v1/client.grpc.pb.h"

namespace devrun::controller {

namespace pb = devrun::v1;

// kInvalid for what cannot be asked.
Result<JobFilter> filter_of(const pb::ListJobsRequest& request);

// `request` and `reply` live until the reactor has finished.
void list_jobs(const Parts& parts, Peer peer, const pb::ListJobsRequest& request,
               pb::ListJobsReply& reply, grpc::ServerUnaryReactor& reactor);

}  // namespace devrun::controller
