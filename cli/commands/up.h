// What commands about the host's own cluster share.
#pragma once

#include <string>
#include <string_view>

#include "cli/commands/command.h"

namespace devrun::cli {

// Inside a container there is neither the cluster nor what it needs, and each answer would be about the wrong machine.
Status only_on_the_host(const Context& context, std::string_view command);
// Without --store: the cluster of `devrun up` whose configuration is in use, if it is one of this machine's.
std::string folder_in_use(const Context& context);

}  // namespace devrun::cli
