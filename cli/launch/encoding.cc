#include "cli/launch/encoding.h"

#include <fmt/format.h>

#include "cli/launch/document.h"

namespace devrun::launch {

namespace {

// The code point at the front of `text` and its length; length 0: not UTF-8.
struct CodePoint {
  uint32_t value = 0;
  size_t length = 0;
};

CodePoint next_code_point(std::string_view text) {
  const auto byte = [&](size_t i) {
    return static_cast<uint32_t>(static_cast<unsigned char>(text[i]));
  };
  const uint32_t first = byte(0);
  if (first < 0x80) return {first, 1};
  const size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4 || text.size() < length) return {};
  uint32_t value = first & (0x7FU >> length);
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0U) != 0x80U) return {};
    value = (value << 6U) | (byte(i) & 0x3FU);
  }
  constexpr std::array<uint32_t, 5> kLeast{0, 0, 0x80, 0x800, 0x10000};
  if (value < kLeast.at(length) || value > 0x10FFFF || (value >= 0xD800 && value < 0xE000))
    return {};
  return {value, length};
}

bool printable(uint32_t value) {
  if (value < 0x20) return value == '\t' || value == '\n' || value == '\r';
  if (value >= 0x7F && value < 0xA0) return value == 0x85;
  return value != 0xFFFE && value != 0xFFFF;
}

std::string_view foreign_encoding(std::string_view bytes) {
  if (bytes.starts_with("\xFF\xFE") || bytes.starts_with("\xFE\xFF")) return "UTF-16 or UTF-32";
  if (bytes.starts_with(std::string_view("\0\0\xFE\xFF", 4))) return "UTF-32";
  return {};
}

}  // namespace

DecodedText decode_text(std::string_view bytes) {
  DecodedText out;
  const Place start{1, 1, 1};
  if (bytes.size() > kFileBytesMax) {
    out.error = error_at({}, fmt::format("the file has {} bytes; a task file has at most {}",
                                         bytes.size(), kFileBytesMax));
    return out;
  }
  if (const auto name = foreign_encoding(bytes); !name.empty()) {
    out.error =
        error_at(start, fmt::format("the file is {}: expected UTF-8", name), "save it as UTF-8");
    return out;
  }
  if (bytes.starts_with("\xEF\xBB\xBF")) bytes.remove_prefix(3);
  out.text.reserve(bytes.size());
  Place place = start;
  while (!bytes.empty()) {
    const CodePoint point = next_code_point(bytes);
    if (point.length == 0) {
      out.error = error_at(
          place, fmt::format("byte 0x{:02x} is not UTF-8", static_cast<unsigned char>(bytes[0])),
          "save the file as UTF-8");
      return out;
    }
    if (!printable(point.value)) {
      out.error = error_at(
          place, fmt::format("the control character U+{:04X} has no place in YAML", point.value),
          R"(remove it, or write it as an escape in "double quotes")");
      return out;
    }
    if (point.value == '\r') {
      if (!bytes.starts_with("\r\n")) out.text += '\n';
    } else {
      out.text += bytes.substr(0, point.length);
    }
    const bool line_ends =
        point.value == '\n' || (point.value == '\r' && !bytes.starts_with("\r\n"));
    place.column += static_cast<int>(point.length);
    if (line_ends) place = {place.line + 1, 1, 1};
    bytes.remove_prefix(point.length);
  }
  return out;
}

}  // namespace devrun::launch
