// `devrun volume paths`: which of a volume's paths come home, and which do not.
#pragma once

#include "cli/commands/command.h"

namespace devrun::cli {

Result<Action> parse_volume_paths(const Arguments& arguments);

}  // namespace devrun::cli
