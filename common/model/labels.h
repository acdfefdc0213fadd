// Labels: what people call jobs and nodes beside their names, as KEY=VALUE, and the names of resources that a site counts.
// Pure.
#pragma once

#include <string_view>

namespace devrun {

inline constexpr size_t kLabelsMax = 32;  // of a job, or a node

// Nodes whose agents can show live volumes have it, by themselves: `devrun.live=yes`.
inline constexpr const char* kLiveLabel = "devrun.live";
inline constexpr const char* kLiveValue = "yes";

// A key, a value, or a resource's name: 1 to 63 letters, digits, '-', '_', '.' and '/', a letter or digit first.
bool is_label_word(std::string_view word);

}  // namespace devrun
