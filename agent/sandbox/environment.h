// The environment of an attempt's program: the caller's, the few that a program cannot do without, and devrun's own.
#pragma once

#include <string>
#include <vector>

#include "common/model/attempt.h"

namespace devrun::sandbox {

std::vector<std::string> container_environment(const AttemptSpec& spec, const std::string& node);

}  // namespace devrun::sandbox
