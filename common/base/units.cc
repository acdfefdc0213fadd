#include "common/base/units.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <limits>
#include <optional>

namespace devrun {

namespace {

constexpr int64_t kMax = std::numeric_limits<int64_t>::max();

Error bad(std::string_view kind, std::string_view text, std::string_view expected) {
  return {Code::kInvalid, fmt::format("'{}' is not a {}: expected {}", text, kind, expected), {}};
}

// The number at the front of `text`, which is advanced past it.
std::optional<double> take_number(std::string_view& text) {
  double value = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed);
  if (error != std::errc{} || value < 0) return std::nullopt;
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  return value;
}

std::optional<int64_t> size_unit(std::string_view unit) {
  constexpr std::string_view kLetters = "KMGTP";
  if (unit.empty() || unit == "B" || unit == "b") return 1;
  const char letter = static_cast<char>(std::toupper(unit[0]));
  const size_t at = kLetters.find(letter);
  if (at == std::string_view::npos) return std::nullopt;
  const std::string_view rest = unit.substr(1);
  if (!rest.empty() && rest != "B" && rest != "b" && rest != "i" && rest != "iB")
    return std::nullopt;
  return int64_t{1} << (10 * (at + 1));
}

std::optional<int64_t> take_span_unit(std::string_view& text) {
  struct Unit {
    std::string_view name;
    int64_t us;
  };
  constexpr std::array<Unit, 6> kUnits{{{"ms", 1'000},
                                        {"s", 1'000'000},
                                        {"m", 60'000'000},
                                        {"h", 3'600'000'000},
                                        {"d", 86'400'000'000},
                                        {"w", 604'800'000'000}}};
  for (const Unit& unit : kUnits) {
    if (!text.starts_with(unit.name)) continue;
    text.remove_prefix(unit.name.size());
    return unit.us;
  }
  return std::nullopt;
}

}  // namespace

Result<int64_t> parse_size(std::string_view text) {
  constexpr std::string_view kExpected = "a size such as 512M, 16G or 1.5TiB";
  std::string_view rest = text;
  const auto number = take_number(rest);
  if (!number) return bad("size", text, kExpected);
  const auto unit = size_unit(rest);
  if (!unit) return bad("size", text, kExpected);
  const double bytes = *number * static_cast<double>(*unit);
  if (bytes >= static_cast<double>(kMax)) return bad("size", text, "a size below 8 EiB");
  if (static_cast<double>(static_cast<int64_t>(bytes)) != bytes) {
    return bad("size", text, "a whole number of bytes");
  }
  return static_cast<int64_t>(bytes);
}

Result<Duration> parse_duration(std::string_view text) {
  constexpr std::string_view kExpected = "a time span such as 90, 15m, 2h or 1d12h";
  std::string_view rest = text;
  double total_us = 0;
  if (rest.empty()) return bad("time span", text, kExpected);
  while (!rest.empty()) {
    const auto number = take_number(rest);
    if (!number) return bad("time span", text, kExpected);
    int64_t unit = 1'000'000;
    const bool bare = rest.empty() && total_us == 0;
    if (!bare) {
      const auto named = take_span_unit(rest);
      if (!named) return bad("time span", text, kExpected);
      unit = *named;
    }
    total_us += *number * static_cast<double>(unit);
  }
  if (total_us >= static_cast<double>(kMax)) return bad("time span", text, "at most 292,000 years");
  return Duration{static_cast<int64_t>(total_us)};
}

std::string format_size(int64_t bytes) {
  constexpr std::array<std::string_view, 6> kNames{"B", "KB", "MB", "GB", "TB", "PB"};
  double value = static_cast<double>(bytes);
  size_t unit = 0;
  while (value >= 999.95 && unit + 1 < kNames.size()) {
    value /= 1024;
    ++unit;
  }
  if (unit == 0) return fmt::format("{} B", bytes);
  return value < 9.95 ? fmt::format("{:.1f} {}", value, kNames[unit])
                      : fmt::format("{:.0f} {}", value, kNames[unit]);
}

std::string format_duration(Duration span) {
  const int64_t s = span.us / 1'000'000;
  if (span.us < 1'000'000) return fmt::format("{}ms", span.us / 1'000);
  if (s < 60) return fmt::format("{:.1f}s", static_cast<double>(span.us / 100'000) / 10);
  if (s < 3600) return fmt::format("{}m{:02}s", s / 60, s % 60);
  if (s < 86400) return fmt::format("{}h{:02}m", s / 3600, s / 60 % 60);
  return fmt::format("{}d{:02}h", s / 86400, s / 3600 % 24);
}

}  // namespace devrun
