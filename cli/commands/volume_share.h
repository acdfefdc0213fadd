// `devrun volume share`: with whom a volume is shared, and for what.
#pragma once

#include "cli/commands/command.h"

namespace devrun::cli {

Result<Action> parse_volume_share(const Arguments& arguments);

}  // namespace devrun::cli
