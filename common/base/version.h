// What `--version` prints and every hello carries.
#pragma once

#include <string_view>

namespace devrun {
inline constexpr std::string_view kVersion = "0.1.0";
}
