#include "tui/term/palette.h"

#include <curses.h>
#include <term.h>

#include <array>
#include <cstdlib>
#include <string_view>

#include "tui/model/ink.h"

namespace devrun::tui {

namespace {

struct Paint {
  short few;    // of 8
  short dark;   // of 256, on a dark ground
  short light;  // of 256, on a light one
};
// By style; -1: the terminal's own.
constexpr std::array<Paint, kStyles> kPaints{{
    {-1, -1, -1},              // plain
    {-1, 244, 243},            // dim
    {-1, -1, -1},              // bold
    {COLOR_BLACK, 16, 231},    // title: on a ground of its own
    {-1, -1, -1},              // head
    {-1, -1, -1},              // selected
    {COLOR_GREEN, 114, 28},    // good
    {COLOR_RED, 203, 160},     // bad
    {COLOR_CYAN, 80, 30},      // busy
    {COLOR_YELLOW, 221, 130},  // warn
    {COLOR_BLACK, 16, 16},     // found: on a ground of its own
    {COLOR_BLUE, 67, 25},      // heat, little to all
    {COLOR_CYAN, 79, 30},
    {COLOR_GREEN, 149, 64},
    {COLOR_YELLOW, 215, 166},
    {COLOR_RED, 203, 160},
    {COLOR_RED, 1, 1},  // inks of a job's output: what the terminal shows for them itself
    {COLOR_GREEN, 2, 2},
    {COLOR_YELLOW, 3, 3},
    {COLOR_BLUE, 4, 4},
    {COLOR_MAGENTA, 5, 5},
    {COLOR_CYAN, 6, 6},
    {COLOR_RED, 1, 1},
    {COLOR_GREEN, 2, 2},
    {COLOR_YELLOW, 3, 3},
    {COLOR_BLUE, 4, 4},
    {COLOR_MAGENTA, 5, 5},
    {COLOR_CYAN, 6, 6},
}};

constexpr short kTitleGroundFew = COLOR_CYAN, kTitleGroundDark = 73, kTitleGroundLight = 24;
constexpr short kFoundGroundFew = COLOR_YELLOW, kFoundGround = 221;

// Where a colour is itself (TERM=xterm-direct) rather than a place in a palette: red, green and blue of one of the 256.
int direct_colour(short index) {
  if (index < kPlainColours) return index;
  const Rgb rgb = rgb_of_256(index);
  return rgb.red << 16 | rgb.green << 8 | rgb.blue;
}

short pair_of(Style style) {
  return static_cast<short>(static_cast<int>(style) + 1);
}

attr_t shape_of(Style style, Colours colours) {
  const bool plain = colours == Colours::kNone;
  switch (style) {
    case Style::kDim:
      return colours == Colours::kMany ? A_NORMAL : A_DIM;
    case Style::kBold:
      return A_BOLD;
    case Style::kTitle:
    case Style::kFound:
      return plain ? A_REVERSE : A_NORMAL;
    case Style::kHead:
      return A_BOLD | A_UNDERLINE;
    case Style::kSelected:
      return A_REVERSE;
    case Style::kBad:
    case Style::kWarn:
    case Style::kInkBoldRed:
    case Style::kInkBoldGreen:
    case Style::kInkBoldYellow:
    case Style::kInkBoldBlue:
    case Style::kInkBoldMagenta:
    case Style::kInkBoldCyan:
      return A_BOLD;
    default:
      return A_NORMAL;
  }
}

}  // namespace

void make_palette(Colours colours, bool light) {
  if (colours == Colours::kNone) return;
  use_default_colors();
  const bool many = colours == Colours::kMany;
  const bool direct = many && ::tigetflag("RGB") > 0;
  const auto shown = [&](short index) { return direct ? direct_colour(index) : index; };
  for (size_t i = 0; i < kPaints.size(); ++i) {
    const auto style = static_cast<Style>(i);
    const Paint& paint = kPaints[i];
    short ground = -1;
    if (style == Style::kTitle)
      ground = !many ? kTitleGroundFew : light ? kTitleGroundLight : kTitleGroundDark;
    if (style == Style::kFound) ground = many ? kFoundGround : kFoundGroundFew;
    const short own = !many ? paint.few : light ? paint.light : paint.dark;
    init_extended_pair(pair_of(style), shown(own), shown(ground));
  }
}

int attributes(Style style, Colours colours) {
  attr_t out = shape_of(style, colours);
  if (colours != Colours::kNone) out |= static_cast<attr_t>(COLOR_PAIR(pair_of(style)));
  return static_cast<int>(out);
}

// "15;0" or "0;default;15": the last number is the background's, of 16 colours.
bool background_is_light(const char* colorfgbg) {
  if (colorfgbg == nullptr) return false;
  const std::string_view text(colorfgbg);
  const size_t last = text.rfind(';');
  if (last == std::string_view::npos) return false;
  const std::string_view number = text.substr(last + 1);
  return number == "7" || number == "15";
}

}  // namespace devrun::tui
