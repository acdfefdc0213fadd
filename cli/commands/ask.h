// Questions before something is destroyed: the answer is its name, typed.
#pragma once

#include <string>
#include <string_view>

#include "cli/commands/command.h"

namespace devrun::cli {

// Ok if `name` was typed. Without a terminal nobody can answer: then it takes --yes.
Status ask_for_name(Context& context, std::string_view what, const std::string& name);

}  // namespace devrun::cli
