// Where the controller is and who we are to it, with a certificate that is good: one whose time is mostly over is renewed.
#pragma once

#include "cli/client/target.h"
#include "cli/commands/command.h"

namespace devrun::cli {

Result<Target> target_of(const Context& context);

}  // namespace devrun::cli
