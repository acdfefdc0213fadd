// What a plain YAML scalar means, as PyYAML (YAML 1.1) reads it, because that is what the writers of
// task files test against: `yes` is a boolean, `010` is 8, `1:30` is 90, `1e-6` without a dot is a
// string. yaml-cpp resolves nothing here; it only finds where scalars begin and end.
//
// Environment values become strings as Python's str() prints them: `true` → `True`, `1.0e-5` →
// `1e-05`, `0x10` → `16`.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace devrun::launch {

enum class ScalarKind { kNull, kBool, kInt, kFloat, kTimestamp, kString };

struct Scalar {
  ScalarKind kind = ScalarKind::kString;
  std::string text;                     // what Python's str() prints of it
  bool boolean = false;                 // kBool
  std::optional<int64_t> integer = {};  // kInt, unless beyond 64 bits
  double number = 0;                    // kInt and kFloat
  bool is_number() const { return kind == ScalarKind::kInt || kind == ScalarKind::kFloat; }
};

// More digits than that are a string: Python refuses to print them as a number.
inline constexpr size_t kDigitsMax = 4300;

Scalar resolve_plain(std::string_view text);
Scalar string_scalar(std::string text);

const std::string& python_str(const Scalar& scalar);
// Python's repr of a float: the shortest digits that read back, `1e-05`, `1.0`, `inf`.
std::string python_float(double value);

}  // namespace devrun::launch
