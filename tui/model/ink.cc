#include "tui/model/ink.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <vector>

namespace devrun::tui {

namespace {

constexpr int kNumbersMax = 16;

// An empty one is 0; nothing if there is anything else among them.
std::optional<std::vector<int>> numbers_of(std::string_view text) {
  std::vector<int> out;
  for (;;) {
    const size_t end = std::min(text.find_first_of(";:"), text.size());
    int number = 0;
    const auto parsed = std::from_chars(text.data(), text.data() + end, number);
    if (end != 0 && (parsed.ec != std::errc{} || parsed.ptr != text.data() + end)) return {};
    out.push_back(number);
    if (end == text.size() || out.size() >= kNumbersMax) return out;
    text.remove_prefix(end + 1);
  }
}

void take_rgb(Ink& ink, const Rgb& rgb) {
  constexpr int kDark = 130, kBright = 220;
  const auto [least, most] = std::minmax({rgb.red, rgb.green, rgb.blue});
  if (most - least <= most / 4) {  // a grey
    ink.colour = most <= kDark ? 9 : most <= kBright ? 8 : 16;
    return;
  }
  const int half = (most + least) / 2;
  ink.colour = static_cast<uint8_t>(1 + (rgb.red > half ? 1 : 0) + (rgb.green > half ? 2 : 0) +
                                    (rgb.blue > half ? 4 : 0) + (least > kDark ? 8 : 0));
}

void take_plain_colour(Ink& ink, int index, bool bright) {
  ink.colour = static_cast<uint8_t>(1 + index + (bright ? 8 : 0));
}

void take_of_256(Ink& ink, int index) {
  if (index < 0 || index > 255) return;
  if (index < kPlainColours) return take_plain_colour(ink, index % 8, index >= 8);
  take_rgb(ink, rgb_of_256(index));
}

// `38;5;N`, `38;2;R;G;B`, from the 38 on: how many numbers that is.
size_t take_extended(Ink& ink, const std::vector<int>& numbers, size_t at) {
  const auto number = [&](size_t i) { return at + i < numbers.size() ? numbers[at + i] : 0; };
  const size_t count = number(1) == 5 ? 3 : number(1) == 2 ? 5 : 1;
  if (number(0) == 48) {
    ink.reversed = true;
  } else if (number(0) == 38 && count == 3) {
    take_of_256(ink, number(2));
  } else if (number(0) == 38 && count == 5) {
    take_rgb(ink, {number(2), number(3), number(4)});
  }
  return count;
}

void take_number(Ink& ink, int number) {
  if (number == 0) ink = {};
  if (number == 1) ink.bold = true;
  if (number == 2) ink.dim = true;
  if (number == 7) ink.reversed = true;
  if (number == 22) ink.bold = ink.dim = false;
  if (number == 27 || number == 49) ink.reversed = false;
  if (number >= 30 && number <= 37) take_plain_colour(ink, number - 30, false);
  if (number == 39) ink.colour = 0;
  if ((number >= 40 && number <= 47) || (number >= 100 && number <= 107)) ink.reversed = true;
  if (number >= 90 && number <= 97) take_plain_colour(ink, number - 90, true);
}

}  // namespace

Rgb rgb_of_256(int index) {
  constexpr int kGreysBegin = 232;
  if (index >= kGreysBegin) {
    const int grey = 8 + 10 * (index - kGreysBegin);
    return {grey, grey, grey};
  }
  const auto level = [](int step) { return step == 0 ? 0 : 55 + 40 * step; };
  const int at = index - kPlainColours;
  return {level(at / 36), level(at / 6 % 6), level(at % 6)};
}

Ink changed_by(Ink ink, std::string_view text) {
  const auto numbers = numbers_of(text);
  if (!numbers) return ink;
  for (size_t i = 0; i < numbers->size();) {
    const int number = (*numbers)[i];
    if (number == 38 || number == 48 || number == 58) {
      i += take_extended(ink, *numbers, i);
    } else {
      take_number(ink, number);
      ++i;
    }
  }
  return ink;
}

}  // namespace devrun::tui
