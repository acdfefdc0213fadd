// $DEVRUN_SHARED: the agents make a folder for each job in one that they all share. It goes with what
// is kept of the job: once its snapshot may go.
#pragma once

#include <set>
#include <string>

#include "common/base/result.h"
#include "common/base/time.h"
#include "common/model/ids.h"

namespace devrun::controller {

// Removes the folders, named by a job's number below `next_job`, of jobs that are not in `kept`, and that have not changed
// since `changed_before`. Others are left alone.
Status remove_shared_folders(const std::string& folder, const std::set<JobId>& kept, JobId next_job,
                             Time changed_before);

}  // namespace devrun::controller
