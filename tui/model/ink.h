// Colours of a job's output: of what a terminal knows, the sixteen colours, bold, dim and reversed. Of 256 and of true colours
// the nearest of these is taken; grounds count as reversed. Pure.
#pragma once

#include <cstdint>
#include <string_view>

namespace devrun::tui {

// How a terminal would write.
struct Ink {
  // 1 to 8: black, red, green, yellow, blue, magenta, cyan, white; 9 to 16: the same, bright; 0: its own
  uint8_t colour = 0;
  bool bold = false;
  bool dim = false;
  bool reversed = false;
  bool operator==(const Ink&) const = default;
};

// As terminals have the colours of a palette of 256, but for the first sixteen, which are each terminal's own.
struct Rgb {
  int red, green, blue;
};
inline constexpr int kPlainColours = 16;
Rgb rgb_of_256(int index);  // from kPlainColours to 255

// After `ESC [ numbers m`; what it does not know changes nothing.
Ink changed_by(Ink ink, std::string_view numbers);

}  // namespace devrun::tui
