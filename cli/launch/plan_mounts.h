// `file_mounts` and `volumes` of a task as what is to be mounted, copied and fetched where. Pure: whether a source is
// there is for whoever launches to see.
#pragma once

#include <vector>

#include "cli/launch/plan.h"
#include "cli/launch/substitute.h"

namespace devrun::launch {

std::vector<PlannedMount> plan_mounts(const Task& task, const VariableLookup& lookup,
                                      std::vector<Diagnostic>& diagnostics);

// A name that a volume can have: `My_Bucket` → `my_bucket`, at most 63 characters; empty if nothing is left.
std::string folder_name_of(std::string_view name);
// `/a//b/./c/` → `/a/b/c`, `x` → `~/sky_workdir/x`; nothing if it is no place for a mount.
std::optional<std::string> mount_target(std::string_view written);

}  // namespace devrun::launch
