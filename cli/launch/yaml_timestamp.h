// YAML 1.1 dates and times, which PyYAML turns into Python dates: an environment value `2024-01-05`
// stays as it is, `2024-01-05T3:00:00Z` becomes `2024-01-05 03:00:00+00:00`.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace devrun::launch {

// What Python's str() prints of the timestamp that `text` is; nothing if it is none, or no real date.
std::optional<std::string> timestamp_str(std::string_view text);

}  // namespace devrun::launch
