// Every field that a SkyPilot task file may have: those that are read, and those that are accepted
// with a warning. The one table behind "unknown key", "did you mean" and the warnings.
#pragma once

#include <span>
#include <string_view>

namespace devrun::launch {

enum class Handling { kRead, kIgnored };

inline constexpr unsigned kString = 1;
inline constexpr unsigned kBool = 2;
inline constexpr unsigned kInt = 4;
inline constexpr unsigned kFloat = 8;
inline constexpr unsigned kList = 16;
inline constexpr unsigned kMap = 32;
inline constexpr unsigned kNumber = kInt | kFloat;
inline constexpr unsigned kAnyKind = 63;

struct Field {
  std::string_view name;
  Handling handling = Handling::kIgnored;
  unsigned kinds = kAnyKind;          // of an ignored one; readers check their own
  std::string_view consequence = {};  // what does not happen, for the warning
};

std::span<const Field> task_fields();
std::span<const Field> resources_fields();    // of `resources:`
std::span<const Field> alternative_fields();  // of an item of any_of or ordered
std::span<const Field> header_fields();       // of the first of several documents

}  // namespace devrun::launch
