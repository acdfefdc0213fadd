// Styles as attributes of the terminal that there is: 256 colours, 8, or none; for a dark or a light background. Part of
// the only folder that knows ncurses.
#pragma once

#include "tui/view/cells.h"

namespace devrun::tui {

enum class Colours { kNone, kFew, kMany };

// After start_color(). `light`: dark colours on a light ground.
void make_palette(Colours colours, bool light);
// As attrset() takes it.
int attributes(Style style, Colours colours);

// What the environment says of the background (COLORFGBG, as many terminals set it); false if nothing.
bool background_is_light(const char* colorfgbg);

}  // namespace devrun::tui
