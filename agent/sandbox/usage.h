// What the processes of an attempt have used, from its cgroups where the host has the controllers, else from /proc.
#pragma once

#include <string>
#include <vector>

#include "common/model/job.h"

namespace devrun::sandbox {

// `cgroups` as make_cgroups returned them. What cannot be told is 0.
Usage usage_of(const std::vector<std::string>& cgroups);

}  // namespace devrun::sandbox
