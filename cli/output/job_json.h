// Records as JSON, for `--json`: one object or array a call, ended by a newline. Field names are
// stable: added, never renamed. Times are microseconds since the epoch, and absent until they are
// known.
#pragma once

#include <string>

#include "cli/output/records.h"

namespace devrun::cli {

std::string submitted_json(JobId job, const Digest& tree, const Timeline& timeline);
std::string job_json(const JobRecord& job);
std::string jobs_json(const JobList& jobs);  // {"jobs": […], "truncated": false}
std::string volumes_json(const std::vector<VolumeRecord>& volumes);
std::string nodes_json(const std::vector<NodeRecord>& nodes);

}  // namespace devrun::cli
