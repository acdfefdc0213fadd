// Which part of a long output is read: its end, followed, or a page of it that somebody has scrolled or searched up to. A
// page begins at a mark, which LogText left while the output was read first. Pure.
//
//   the output   ├──mark──mark──mark──mark──mark──mark──▶ grows
//                       └─── a page ───┘└──── its end ────▶
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "tui/model/log_text.h"

namespace devrun::tui {

// Less than LogText holds for a reader, so that nothing of a page goes.
inline constexpr size_t kPageLinesMax = 80'000;
inline constexpr size_t kPageBytesMax = 24 << 20;

enum class LogShown { kAll, kOut, kErr };
// Of lines by stream, those that are shown.
size_t shown_of(const std::array<size_t, 4>& lines, LogShown shown);

// Where the line that is wanted lies in its page.
enum class PageSide { kBegin, kMiddle, kEnd };
struct LogPage {
  size_t mark = 0;    // that it begins at
  uint64_t upto = 0;  // the byte of the log at which it ends; 0: it goes on to the end and follows
};
// The page that has the `line`th of the lines that are shown. The first of `marks` is the output's beginning.
LogPage page_of(const std::vector<LogMark>& marks, LogShown shown, size_t line, PageSide side);
// The one that is followed.
LogPage last_page(const std::vector<LogMark>& marks);

}  // namespace devrun::tui
