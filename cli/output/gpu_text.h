// A node's GPUs for people.
#pragma once

#include <string>

#include "cli/output/records.h"

namespace devrun::cli {

// All of them: what they are, what they do, whose they are, and what is the matter with them.
std::string gpus_text(const NodeRecord& node);
// A line for each that takes no jobs; empty if all are well.
std::string bad_gpus_text(const NodeRecord& node);

}  // namespace devrun::cli
