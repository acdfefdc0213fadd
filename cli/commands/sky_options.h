// The options of `sky launch` and `sky jobs launch` that `devrun launch` does not have: what to do here instead. Pure.
#pragma once

#include <optional>
#include <span>
#include <string>

namespace devrun::cli {

// Of the first of them among a command's arguments; nothing: there is none.
std::optional<std::string> sky_option_hint(std::span<const std::string> arguments);

}  // namespace devrun::cli
