// Questions before something is destroyed, where the answer is its name, typed, or changed that is not devrun's own.
#pragma once

#include <string>
#include <string_view>

#include "cli/commands/command.h"

namespace devrun::cli {

// Ok if `name` was typed. Without a terminal nobody can answer: then it takes --yes.
Status ask_for_name(Context& context, std::string_view what, const std::string& name);
// Whether `y` or `yes` was typed. Without a terminal nobody can answer: no.
bool ask_whether(Context& context, std::string_view question);

}  // namespace devrun::cli
