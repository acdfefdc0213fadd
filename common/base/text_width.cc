#include "common/base/text_width.h"

#include <algorithm>

#include "common/base/utf8.h"

namespace devrun {

namespace {

constexpr size_t kCombiningMax = 4;  // what ncurses keeps in a cell

// Selectors of a variant, joiners, marks of direction, tags: they change what others look like, differently everywhere.
bool is_invisible(char32_t c) {
  return (c >= 0xfe00 && c <= 0xfe0f) || (c >= 0x200b && c <= 0x200f) ||
         (c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f) || c == 0xfeff ||
         c == 0x061c || (c >= 0xfff9 && c <= 0xfffb) || (c >= 0xe0000 && c <= 0xe0fff);
}

bool is_skin_tone(char32_t c) {
  return c >= 0x1f3fb && c <= 0x1f3ff;
}

std::string shown_as(char32_t c, std::string_view bytes) {
  constexpr char32_t kFlagA = 0x1f1e6, kFlagZ = 0x1f1ff, kSoftHyphen = 0xad;
  if (c < 0x20 || (c >= 0x7f && c < 0xa0)) return "·";
  if (c == 0xfffd) return "\xef\xbf\xbd";
  if (c == kSoftHyphen) return "-";
  if (c >= kFlagA && c <= kFlagZ) return std::string(1, static_cast<char>('A' + (c - kFlagA)));
  return std::string(bytes);
}

}  // namespace

char32_t take_code_point(std::string_view& utf8) {
  const size_t length = code_point_bytes(utf8);
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(utf8[i]); };
  char32_t out = length == 0 ? 0xfffd : byte(0);
  if (length > 1) out &= 0xffU >> (length + 1);
  for (size_t i = 1; i < length; ++i) out = out << 6 | (byte(i) & 0x3fU);
  utf8.remove_prefix(std::max<size_t>(1, length));
  return out;
}

void append_code_point(std::string& utf8, char32_t c) {
  const auto more = [&](int shift) { utf8 += static_cast<char>(0x80 | (c >> shift & 0x3f)); };
  if (c < 0x80) {
    utf8 += static_cast<char>(c);
  } else if (c < 0x800) {
    utf8 += static_cast<char>(0xc0 | c >> 6);
    more(0);
  } else if (c < 0x10000) {
    utf8 += static_cast<char>(0xe0 | c >> 12);
    more(6);
    more(0);
  } else {
    utf8 += static_cast<char>(0xf0 | (c >> 18 & 7));
    more(12);
    more(6);
    more(0);
  }
}

Glyph take_glyph(std::string_view& utf8) {
  const std::string_view before = utf8;
  const char32_t first = take_code_point(utf8);
  Glyph out;
  if (first < 0x80 || (!is_invisible(first) && width_of(first) != 0)) {
    out.text = shown_as(first, before.substr(0, before.size() - utf8.size()));
    out.width = width_of(first);
  }
  size_t combining = 0;
  while (!utf8.empty() && static_cast<unsigned char>(utf8[0]) >= 0x80) {
    std::string_view after = utf8;
    const char32_t next = take_code_point(after);
    const bool dropped = is_invisible(next) || is_skin_tone(next);
    if (!dropped && width_of(next) != 0) break;
    if (!dropped && out.width != 0 && combining++ < kCombiningMax) {
      out.text += utf8.substr(0, utf8.size() - after.size());
    }
    utf8 = after;
  }
  return out;
}

int width_of(std::string_view utf8) {
  const bool ascii = std::ranges::none_of(utf8, [](char c) { return (c & 0x80) != 0; });
  if (ascii) return static_cast<int>(utf8.size());
  int width = 0;
  while (!utf8.empty()) width += take_glyph(utf8).width;
  return width;
}

}  // namespace devrun
