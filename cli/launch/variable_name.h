// Names that a shell can use.
#pragma once

#include <string_view>

namespace devrun::launch {

inline constexpr std::string_view kNameExpected =
    "letters, digits and _, not beginning with a digit";

inline bool is_variable_name(std::string_view name) {
  constexpr std::string_view kLetters =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789";
  return !name.empty() && (name[0] < '0' || name[0] > '9') &&
         name.find_first_not_of(kLetters) == std::string_view::npos;
}

}  // namespace devrun::launch
