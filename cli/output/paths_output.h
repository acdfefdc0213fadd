// The kinds of a volume's paths, for people and as JSON. Pure.
#pragma once

#include <string>

#include "cli/output/records.h"

namespace devrun::cli {

// A line each, by path, with who says so; what is overruled is left out.
std::string paths_text(const VolumePathsRecord& paths);
// {"volume": …, "paths": [{"path", "name", "kind", "set_by", "nodes"}]}
std::string paths_json(const VolumePathsRecord& paths);

// "/root", or of a rule for a name "/root/…/.git".
std::string rule_path(const PathRule& rule);

}  // namespace devrun::cli
