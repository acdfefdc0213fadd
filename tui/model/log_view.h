// How an output is looked at: which lines are shown, wrapped or cut, searched, followed. Pure.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/model/ids.h"
#include "tui/model/filter.h"
#include "tui/model/log_pages.h"
#include "tui/model/log_text.h"

namespace devrun::tui {

// What is looked for in pages that have to be read first.
enum class Seeking { kNone, kForwards, kBackwards };

struct LogView {
  AttemptKey of;
  uint64_t reading = 0;  // which of the model's: what an earlier one brings is too late
  LogText text;
  std::vector<LogMark> marks{LogMark{}};  // of all that was read so far
  std::array<size_t, 4> known_lines{};    // likewise, by stream
  uint64_t known_bytes = 0;               // likewise
  bool is_page = false;                   // of an output that goes on after it
  bool all_here = false;                  // of that page
  std::optional<size_t>
      wanted;  // line of the output, of those that are shown, that will be the first on the screen
  Seeking seeking = Seeking::kNone;
  size_t sought_from = 0;  // likewise a line: where to go back to if nothing is found
  bool follow = true;
  size_t top = 0;  // first line shown, when not following, among those that are shown at all
  bool wrap = false;
  size_t left = 0;  // columns that are scrolled away, when not wrapped
  LogShown shown = LogShown::kAll;
  std::string search;
  bool ended = false;
  std::string failure;
};

// How many lines are shown at all: of everything, or of one stream and the marks.
size_t shown_count(const LogView& log);
// Lines of the output before those that are here, of those that would be shown.
size_t dropped_count(const LogView& log);
// Of the whole output, as far as it is known.
size_t known_count(const LogView& log);
// More output. Who has scrolled back goes on seeing the same lines, as long as they are there.
void append(LogView& log, const std::string& record_bytes);
// The next row of a line that is wrapped at that width, taken off its front.
std::string_view take_row(std::string_view& text, size_t columns);
// The same, between words where they are not too long for that; the blank in between is shown nowhere.
std::string_view take_words(std::string_view& text, size_t columns);
// Rows of the screen that a line takes, at that width.
size_t rows_of(const LogView& log, const LogLine& line, size_t columns);
// The part of the lines that fits: indices into text.lines(), from `top` or up to the end.
std::vector<size_t> lines_on_screen(const LogView& log, size_t rows, size_t columns);
// Of the shown lines, the number of the first one on the screen.
size_t first_on_screen(const LogView& log, size_t rows, size_t columns);
// Moves `top` to the next match after the first line on the screen, or the one before it; false if there is none.
bool search_on(LogView& log, bool forwards, size_t rows, size_t columns);

}  // namespace devrun::tui
