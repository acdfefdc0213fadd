// /etc/devrun/slurm.yaml.
#pragma once

#include <string>

#include "cli/pilots/policy.h"
#include "cli/start/node_config.h"
#include "common/base/result.h"

namespace devrun::pilots {

inline constexpr const char* kConfigFile = start::kSlurmConfigFile;

// kInvalid: all that is wrong, a line each.
Result<Policy> parse_policy(const std::string& text, const std::string& file);
Result<Policy> read_policy(const std::string& file);

}  // namespace devrun::pilots
