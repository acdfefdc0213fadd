#include "tui/model/log_view.h"

#include <algorithm>

#include "common/base/text_width.h"

namespace devrun::tui {

namespace {

LogStream stream_of(LogShown shown) {
  return shown == LogShown::kErr ? LogStream::kErr : LogStream::kOut;
}

// Of the lines that are shown the nth, as an index into all.
size_t shown_line(const LogView& log, size_t nth) {
  if (log.shown == LogShown::kAll) return nth;
  return log.text.from_number(log.text.numbers(stream_of(log.shown))[nth]);
}

// Of the lines that are shown the first one that has that number or a later one.
size_t shown_from(const LogView& log, uint64_t number) {
  if (log.shown == LogShown::kAll) return log.text.from_number(number);
  const auto& numbers = log.text.numbers(stream_of(log.shown));
  return static_cast<size_t>(std::ranges::lower_bound(numbers, number) - numbers.begin());
}

const LogLine& line_at(const LogView& log, size_t nth) {
  return log.text.lines()[shown_line(log, nth)];
}

// Moves sideways if what begins at that column is not wholly seen.
void show_columns(LogView& log, size_t at, size_t width, size_t columns) {
  if (log.wrap || (at >= log.left && at + width < log.left + columns)) return;
  log.left = at + width < columns ? 0 : at - std::min(at, columns / 3);
}

}  // namespace

size_t shown_count(const LogView& log) {
  if (log.shown == LogShown::kAll) return log.text.lines().size();
  return log.text.numbers(stream_of(log.shown)).size();
}

size_t dropped_count(const LogView& log) {
  return shown_of(log.text.dropped(), log.shown);
}

size_t known_count(const LogView& log) {
  return std::max(shown_of(log.known_lines, log.shown), dropped_count(log) + shown_count(log));
}

void append(LogView& log, const std::string& record_bytes) {
  const bool reads = log.top < shown_count(log);
  const uint64_t top = reads ? line_at(log, log.top).number : 0;
  log.text.keep_for_reader(!log.follow);
  log.text.append(record_bytes);
  for (const LogMark& mark : log.text.take_marks()) {
    if (mark.offset > log.marks.back().offset) log.marks.push_back(mark);
  }
  if (log.text.bytes_taken() > log.known_bytes) {
    log.known_bytes = log.text.bytes_taken();
    log.known_lines = log.text.begun();
  }
  if (reads) log.top = shown_from(log, top);
}

std::string_view take_row(std::string_view& text, size_t columns) {
  const std::string_view before = text;
  size_t used = 0;
  while (!text.empty()) {
    std::string_view rest = text;
    used += static_cast<size_t>(take_glyph(rest).width);
    if (used > columns && text.size() != before.size()) break;
    text = rest;
  }
  return before.substr(0, before.size() - text.size());
}

std::string_view take_words(std::string_view& text, size_t columns) {
  const std::string_view before = text;
  const std::string_view row = take_row(text, columns);
  if (text.empty() || text.front() == ' ') {
    text.remove_prefix(text.empty() ? 0 : 1);
    return row;
  }
  const size_t blank = row.rfind(' ');
  if (blank == std::string_view::npos || blank <= row.size() / 2) return row;
  text = before.substr(blank + 1);
  return row.substr(0, blank);
}

size_t rows_of(const LogView& log, const LogLine& line, size_t columns) {
  if (!log.wrap || line.text.size() <= columns) return 1;
  size_t rows = 0;
  for (std::string_view rest = line.text; !rest.empty(); ++rows) take_row(rest, columns);
  return rows;
}

size_t first_on_screen(const LogView& log, size_t rows, size_t columns) {
  const size_t count = shown_count(log);
  // As many of the last lines as fit, seen from the end.
  size_t first = count;
  for (size_t used = 0; first > 0; --first) {
    used += rows_of(log, line_at(log, first - 1), columns);
    if (used > rows && first != count) break;
    if (used < rows) continue;
    --first;
    break;
  }
  return log.follow ? first : std::min(log.top, first);
}

std::vector<size_t> lines_on_screen(const LogView& log, size_t rows, size_t columns) {
  const size_t count = shown_count(log);
  std::vector<size_t> out;
  size_t used = 0;
  for (size_t nth = first_on_screen(log, rows, columns); nth < count && used < rows; ++nth) {
    out.push_back(shown_line(log, nth));
    used += rows_of(log, log.text.lines()[out.back()], columns);
  }
  return out;
}

bool search_on(LogView& log, bool forwards, size_t rows, size_t columns) {
  const Pattern pattern(log.search);
  if (pattern.empty()) return false;
  const size_t count = shown_count(log);
  const size_t from = first_on_screen(log, rows, columns);
  const auto found = [&](size_t i) { return pattern.find(line_at(log, i).text, 0).second != 0; };
  const auto go_to = [&](size_t i) {
    log.top = i;
    log.follow = false;
    const std::string& text = line_at(log, i).text;
    const auto [at, length] = pattern.find(text, 0);
    show_columns(log, static_cast<size_t>(width_of(std::string_view(text).substr(0, at))),
                 static_cast<size_t>(width_of(std::string_view(text).substr(at, length))), columns);
    return true;
  };
  if (forwards) {
    // The last screen cannot begin later: from there on the match is looked for in it, too.
    for (size_t i = std::max(from, log.follow ? from : log.top) + 1; i < count; ++i) {
      if (found(i)) return go_to(i);
    }
    return false;
  }
  for (size_t i = std::min(log.follow ? from : log.top, count); i-- > 0;) {
    if (found(i)) return go_to(i);
  }
  return false;
}

}  // namespace devrun::tui
