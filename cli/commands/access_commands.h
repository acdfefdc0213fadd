// The commands about who uses the cluster.
#pragma once

#include "cli/commands/command.h"

namespace devrun::cli {

Command user_command();
Command login_command();

}  // namespace devrun::cli
