#include "tui/model/log_pages.h"

#include <algorithm>

namespace devrun::tui {

namespace {

// Whether what lies between two marks fits into a page, or into half of one.
bool fits(const LogMark& from, const LogMark& to, size_t parts) {
  const size_t lines = shown_of(to.lines, LogShown::kAll) - shown_of(from.lines, LogShown::kAll);
  return lines * parts <= kPageLinesMax && (to.offset - from.offset) * parts <= kPageBytesMax;
}

}  // namespace

size_t shown_of(const std::array<size_t, 4>& lines, LogShown shown) {
  const auto of = [&](LogStream stream) { return lines[static_cast<size_t>(stream)]; };
  return of(LogStream::kMark) + (shown == LogShown::kErr ? 0 : of(LogStream::kOut)) +
         (shown == LogShown::kOut ? 0 : of(LogStream::kErr));
}

LogPage page_of(const std::vector<LogMark>& marks, LogShown shown, size_t line, PageSide side) {
  const auto after_it = std::ranges::upper_bound(
      marks, line, {}, [&](const LogMark& mark) { return shown_of(mark.lines, shown); });
  const size_t at = static_cast<size_t>(after_it - marks.begin()) - 1;
  size_t first = at;
  const size_t parts = side == PageSide::kMiddle ? 2 : 1;
  while (side != PageSide::kBegin && first > 0 && fits(marks[first - 1], marks[at], parts)) --first;
  size_t end = at + 1;
  while (end < marks.size() && fits(marks[first], marks[end], 1)) ++end;
  return {first, end < marks.size() ? marks[end].offset + marks[end].record_bytes : 0};
}

LogPage last_page(const std::vector<LogMark>& marks) {
  size_t first = marks.size() - 1;
  while (first > 0 && fits(marks[first - 1], marks.back(), 1)) --first;
  return {first, 0};
}

}  // namespace devrun::tui
