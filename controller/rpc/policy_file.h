// The operator's policy in YAML (docs/operations.md, "Who runs first"): shares, limits and how far priorities reach.
#pragma once

#include <string>

#include "common/base/result.h"
#include "controller/core/policy.h"

namespace devrun::controller {

// `policy` with what the text sets. kInvalid with the line, what was expected and the nearest right word; then nothing
// of it counts.
Result<Policy> parse_policy(const std::string& text, const std::string& name, Policy policy);
// A file that is not there sets nothing.
Result<Policy> read_policy(const std::string& path, const Policy& policy);

}  // namespace devrun::controller
