// Numbers as small pictures: a line of bars for a series, a bar for a share. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tui/view/cells.h"

namespace devrun::tui {

// The eighths of a block that stand for 0 to 100.
std::string_view bar_of(uint32_t percent);
// The newest `width` values of 0 to 100, the newest at the right, each in the colour of its heat; nothing where nothing was
// told (kNothingTold). Returns the columns used.
int put_spark(Canvas& canvas, int row, int column, const std::vector<uint8_t>& percents, int width);
// A share as a bar of that many cells: ███▌ as far as eighths can tell.
int put_bar(Canvas& canvas, int row, int column, uint32_t percent, int width);

}  // namespace devrun::tui
