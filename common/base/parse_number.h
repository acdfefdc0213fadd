// A number and nothing else, in decimal, as std::from_chars reads it: no blanks, no plus sign, no rest.
#pragma once

#include <charconv>
#include <optional>
#include <string_view>

namespace devrun {

// None: it is no such number, or too large for T.
template <typename T>
std::optional<T> parse_number(std::string_view text) {
  T out{};
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (failed != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return out;
}

}  // namespace devrun
