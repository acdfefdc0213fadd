// The environment of an attempt's program: the caller's, the few that a program cannot do without, and devrun's own.
#pragma once

#include <string>
#include <vector>

#include "common/model/attempt.h"

namespace devrun::sandbox {

// `has_shared`: there is a shared folder for the job.
std::vector<std::string> container_environment(const AttemptSpec& spec, const std::string& node,
                                               bool has_shared);

}  // namespace devrun::sandbox
