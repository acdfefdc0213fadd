#include "cli/launch/yaml_scalar.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <vector>

#include "cli/launch/yaml_timestamp.h"

namespace devrun::launch {

namespace {

bool one_of(std::string_view text, std::initializer_list<std::string_view> words) {
  return std::find(words.begin(), words.end(), text) != words.end();
}

bool all_of(std::string_view text, std::string_view alphabet) {
  return text.find_first_not_of(alphabet) == std::string_view::npos;
}

constexpr std::string_view kDecimal = "0123456789_";

std::string without_underscores(std::string_view text) {
  std::string out;
  std::copy_if(text.begin(), text.end(), std::back_inserter(out), [](char c) { return c != '_'; });
  return out;
}

// `text` without a leading sign; `negative` says which it was.
std::string_view take_sign(std::string_view text, bool& negative) {
  negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  return text;
}

int digit_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  return (c | 0x20) - 'a' + 10;
}

// A natural number of any size, in decimal, lowest digits first.
class BigDecimal {
 public:
  void multiply_add(uint32_t factor, uint32_t addend) {
    uint64_t carry = addend;
    for (uint32_t& limb : limbs_) {
      const uint64_t value = uint64_t{limb} * factor + carry;
      limb = static_cast<uint32_t>(value % kBase);
      carry = value / kBase;
    }
    for (; carry > 0; carry /= kBase) limbs_.push_back(static_cast<uint32_t>(carry % kBase));
  }
  std::string text() const {
    if (limbs_.empty()) return "0";
    std::string out = std::to_string(limbs_.back());
    for (size_t i = limbs_.size() - 1; i-- > 0;) out += fmt::format("{:09}", limbs_[i]);
    return out;
  }

 private:
  static constexpr uint64_t kBase = 1'000'000'000;
  std::vector<uint32_t> limbs_;
};

std::optional<Scalar> int_scalar(const BigDecimal& value, bool negative) {
  std::string digits = value.text();
  if (digits.size() > kDigitsMax) return std::nullopt;
  Scalar out{.kind = ScalarKind::kInt, .text = (negative && digits != "0" ? "-" : "") + digits};
  int64_t integer = 0;
  const char* end = out.text.data() + out.text.size();
  if (std::from_chars(out.text.data(), end, integer).ec == std::errc{}) out.integer = integer;
  if (std::from_chars(out.text.data(), end, out.number).ec != std::errc{}) {
    out.number = negative ? -HUGE_VAL : HUGE_VAL;
  }
  return out;
}

std::optional<Scalar> int_in_base(std::string_view digits, uint32_t base, bool negative) {
  if (digits.size() > kDigitsMax || digits.empty()) return std::nullopt;
  BigDecimal value;
  for (const char c : digits) value.multiply_add(base, static_cast<uint32_t>(digit_value(c)));
  return int_scalar(value, negative);
}

// The parts of `1:30:00` if all but the first are 0 to 59 (two digits at most).
std::optional<std::vector<std::string>> sexagesimal_parts(std::string_view text) {
  std::vector<std::string> parts;
  while (true) {
    const size_t colon = std::min(text.find(':'), text.size());
    const std::string_view part = text.substr(0, colon);
    if (!parts.empty()) {
      const bool two = part.size() == 2 && part[0] >= '0' && part[0] <= '5';
      if (part.empty() || (part.size() != 1 && !two)) return std::nullopt;
      if (!all_of(part, "0123456789")) return std::nullopt;
    }
    parts.push_back(without_underscores(part));
    if (colon == text.size()) break;
    text.remove_prefix(colon + 1);
  }
  if (parts.size() < 2 || parts.size() > kDigitsMax) return std::nullopt;
  return parts;
}

std::optional<Scalar> sexagesimal_int(std::string_view text, bool negative) {
  const auto parts = sexagesimal_parts(text);
  const std::string_view first = text.substr(0, std::min(text.find(':'), text.size()));
  if (!parts || first.size() > kDigitsMax || !all_of(first, kDecimal)) return std::nullopt;
  if (first.empty() || first[0] < '1' || first[0] > '9') return std::nullopt;
  BigDecimal value;
  for (const char c : parts->front()) value.multiply_add(10, static_cast<uint32_t>(c - '0'));
  for (size_t i = 1; i < parts->size(); ++i) {
    value.multiply_add(60, static_cast<uint32_t>(std::stoul((*parts)[i])));
  }
  return int_scalar(value, negative);
}

std::optional<Scalar> plain_int(std::string_view text) {
  bool negative = false;
  const std::string_view body = take_sign(text, negative);
  if (body.empty() || body[0] < '0' || body[0] > '9') return std::nullopt;
  if (body.starts_with("0b") && body.size() > 2 && all_of(body.substr(2), "01_")) {
    return int_in_base(without_underscores(body.substr(2)), 2, negative);
  }
  if (body.starts_with("0x") && body.size() > 2 &&
      all_of(body.substr(2), "0123456789abcdefABCDEF_")) {
    return int_in_base(without_underscores(body.substr(2)), 16, negative);
  }
  if (body == "0") return int_in_base("0", 10, negative);
  if (body[0] == '0') {
    return all_of(body, "01234567_") ? int_in_base(without_underscores(body), 8, negative)
                                     : std::nullopt;
  }
  if (all_of(body, kDecimal)) return int_in_base(without_underscores(body), 10, negative);
  return sexagesimal_int(body, negative);
}

Scalar float_scalar(double value) {
  return {.kind = ScalarKind::kFloat, .text = python_float(value), .number = value};
}

// strtod and not from_chars: beyond the range it says whether that means infinite or zero.
std::optional<double> to_double(const std::string& text) {
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  if (end != text.c_str() + text.size()) return std::nullopt;
  return value;
}

// Digits, a dot, more digits, and an exponent that must have a sign.
bool looks_like_float(std::string_view body, bool signed_number) {
  const size_t dot = body.find('.');
  if (dot == std::string_view::npos) return false;
  const std::string_view before = body.substr(0, dot);
  std::string_view after = body.substr(dot + 1);
  const size_t e = after.find_first_of("eE");
  if (e != std::string_view::npos) {
    const std::string_view exponent = after.substr(e + 1);
    if (exponent.size() < 2 || (exponent[0] != '-' && exponent[0] != '+')) return false;
    if (!all_of(exponent.substr(1), "0123456789")) return false;
    after = after.substr(0, e);
  }
  if (!all_of(before, kDecimal) || !all_of(after, kDecimal)) return false;
  if (before.empty()) return !signed_number && !after.empty() && after[0] != '_';
  return before[0] != '_';
}

std::optional<Scalar> sexagesimal_float(std::string_view body, bool negative) {
  const size_t dot = body.find('.');
  const size_t colon = body.rfind(':', dot);
  if (dot == std::string_view::npos || colon == std::string_view::npos || body[0] == '_') {
    return std::nullopt;
  }
  if (!all_of(body.substr(dot + 1), kDecimal) ||
      !all_of(body.substr(0, body.find(':')), kDecimal) || body[0] == ':') {
    return std::nullopt;
  }
  auto parts = sexagesimal_parts(body.substr(0, dot));
  if (!parts) return std::nullopt;
  parts->back() += without_underscores(body.substr(dot));
  double value = 0;
  double base = 1;
  for (size_t i = parts->size(); i-- > 0; base *= 60) {
    const auto part = to_double((*parts)[i]);
    if (!part) return std::nullopt;
    value += *part * base;
  }
  return float_scalar(negative ? -value : value);
}

std::optional<Scalar> plain_float(std::string_view text) {
  bool negative = false;
  const std::string_view body = take_sign(text, negative);
  const bool signed_number = body.size() != text.size();
  if (one_of(body, {".inf", ".Inf", ".INF"})) return float_scalar(negative ? -HUGE_VAL : HUGE_VAL);
  if (!signed_number && one_of(body, {".nan", ".NaN", ".NAN"})) {
    return float_scalar(std::numeric_limits<double>::quiet_NaN());
  }
  if (looks_like_float(body, signed_number)) {
    const std::string clean = without_underscores(body);
    if (const auto value = to_double(clean)) return float_scalar(negative ? -*value : *value);
    return std::nullopt;
  }
  return sexagesimal_float(body, negative);
}

}  // namespace

Scalar string_scalar(std::string text) {
  return {.kind = ScalarKind::kString, .text = std::move(text)};
}

Scalar resolve_plain(std::string_view text) {
  if (one_of(text, {"", "~", "null", "Null", "NULL"})) {
    return {.kind = ScalarKind::kNull, .text = "None"};
  }
  if (one_of(text, {"yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"})) {
    return {.kind = ScalarKind::kBool, .text = "True", .boolean = true};
  }
  if (one_of(text, {"no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"})) {
    return {.kind = ScalarKind::kBool, .text = "False"};
  }
  if (std::string_view("+-.0123456789").find(text[0]) != std::string_view::npos) {
    if (auto value = plain_int(text)) return *std::move(value);
    if (auto value = plain_float(text)) return *std::move(value);
    if (auto printed = timestamp_str(text)) {
      return {.kind = ScalarKind::kTimestamp, .text = *std::move(printed)};
    }
  }
  return string_scalar(std::string(text));
}

const std::string& python_str(const Scalar& scalar) {
  return scalar.text;
}

std::string python_float(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  std::array<char, 64> buffer{};
  const auto written = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value,
                                     std::chars_format::scientific);
  const std::string_view text(buffer.data(), written.ptr);
  const size_t e = text.find('e');
  const std::string_view sign = text.starts_with('-') ? "-" : "";
  std::string digits;
  for (const char c : text.substr(0, e)) {
    if (c >= '0' && c <= '9') digits += c;
  }
  int exponent = 0;
  const size_t number_at = text[e + 1] == '+' ? e + 2 : e + 1;
  std::from_chars(text.data() + number_at, text.data() + text.size(), exponent);
  if (exponent < -4 || exponent >= 16) {
    const std::string fraction = digits.size() > 1 ? "." + digits.substr(1) : "";
    return fmt::format("{}{}{}e{}{:02}", sign, digits[0], fraction, exponent < 0 ? '-' : '+',
                       std::abs(exponent));
  }
  if (exponent < 0) {
    const std::string zeros(static_cast<size_t>(-exponent - 1), '0');
    return fmt::format("{}0.{}{}", sign, zeros, digits);
  }
  const size_t whole = static_cast<size_t>(exponent) + 1;
  if (digits.size() <= whole) {
    return fmt::format("{}{}{}.0", sign, digits, std::string(whole - digits.size(), '0'));
  }
  return fmt::format("{}{}.{}", sign, digits.substr(0, whole), digits.substr(whole));
}

}  // namespace devrun::launch
