// What a shell takes for a name, and text as it takes for one word.
#pragma once

#include <string>
#include <string_view>

namespace devrun {

inline constexpr std::string_view kNameExpected =
    "letters, digits and _, not beginning with a digit";

bool is_variable_name(std::string_view name);

// Within single quotes anything stands for itself but a single quote.
std::string single_quoted(std::string_view text);

}  // namespace devrun
