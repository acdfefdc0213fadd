// How an output is looked at: which lines are shown, wrapped or cut, searched, followed. Pure.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "common/model/ids.h"
#include "tui/model/filter.h"
#include "tui/model/log_text.h"

namespace devrun::tui {

enum class LogShown { kAll, kOut, kErr };

struct LogView {
  AttemptKey of;
  LogText text;
  bool follow = true;
  size_t top = 0;  // first line shown, when not following, among those that are shown at all
  bool wrap = false;
  size_t left = 0;  // columns that are scrolled away, when not wrapped
  LogShown shown = LogShown::kAll;
  std::string search;
  bool ended = false;
  std::string failure;
};

bool is_shown(const LogView& log, const LogLine& line);
// Indices into text.lines(), in order. With everything shown it is all of them.
size_t shown_count(const LogView& log);
// Of the lines that went first to keep the text bounded, those that would be shown.
size_t dropped_count(const LogView& log);
// More output. Who has scrolled back goes on seeing the same lines, as long as they are there.
void append(LogView& log, const std::string& record_bytes);
// The next row of a line that is wrapped at that width, taken off its front.
std::string_view take_row(std::string_view& text, size_t columns);
// Rows of the screen that a line takes, at that width.
size_t rows_of(const LogView& log, const LogLine& line, size_t columns);
// The part of the lines that fits: indices into text.lines(), from `top` or up to the end.
std::vector<size_t> lines_on_screen(const LogView& log, size_t rows, size_t columns);
// Of the shown lines, the number of the first one on the screen.
size_t first_on_screen(const LogView& log, size_t rows, size_t columns);
// Moves `top` to the next match after the first line on the screen, or the one before it; false if there is none.
bool search_on(LogView& log, bool forwards, size_t rows, size_t columns);

}  // namespace devrun::tui
