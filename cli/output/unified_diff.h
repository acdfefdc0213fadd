// The difference of two texts in the unified format, with three lines of context. Pure.
#pragma once

#include <string>
#include <string_view>

namespace devrun::cli {

// Empty if they are equal. Texts with NUL bytes are "Binary files … differ". Where the texts differ
// so much that the shortest script would take too long, the middle is told as replaced whole.
std::string unified_diff(std::string_view before, std::string_view after,
                         std::string_view before_name, std::string_view after_name);

}  // namespace devrun::cli
