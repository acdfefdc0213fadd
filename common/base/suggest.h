// The nearest right word for a wrong one: `devrun volum` → `volume`.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace devrun {

// Damerau–Levenshtein distance (optimal string alignment).
size_t edit_distance(std::string_view a, std::string_view b);

// The candidate nearest to `word`, if it is near enough to be meant (distance at most a third of
// the longer word, and at least one edit allowed). Ties go to the first.
std::optional<std::string> nearest_word(std::string_view word,
                                        std::span<const std::string_view> candidates);

}  // namespace devrun
