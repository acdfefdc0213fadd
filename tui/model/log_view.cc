#include "tui/model/log_view.h"

#include <algorithm>

#include "common/base/text_width.h"

namespace devrun::tui {

namespace {

std::vector<size_t> shown_lines(const LogView& log) {
  std::vector<size_t> out;
  const auto& lines = log.text.lines();
  for (size_t i = 0; i < lines.size(); ++i) {
    if (is_shown(log, lines[i])) out.push_back(i);
  }
  return out;
}

// Moves sideways if what begins at that column is not wholly seen.
void show_columns(LogView& log, size_t at, size_t width, size_t columns) {
  if (log.wrap || (at >= log.left && at + width < log.left + columns)) return;
  log.left = at + width < columns ? 0 : at - std::min(at, columns / 3);
}

}  // namespace

bool is_shown(const LogView& log, const LogLine& line) {
  if (log.shown == LogShown::kAll || line.stream == LogStream::kMark) return true;
  return (log.shown == LogShown::kOut) == (line.stream == LogStream::kOut);
}

size_t shown_count(const LogView& log) {
  if (log.shown == LogShown::kAll) return log.text.lines().size();
  return static_cast<size_t>(std::ranges::count_if(
      log.text.lines(), [&](const LogLine& line) { return is_shown(log, line); }));
}

size_t dropped_count(const LogView& log) {
  const size_t marks = log.text.dropped_lines(LogStream::kMark);
  if (log.shown == LogShown::kAll) return log.text.dropped_lines();
  return marks +
         log.text.dropped_lines(log.shown == LogShown::kOut ? LogStream::kOut : LogStream::kErr);
}

void append(LogView& log, const std::string& record_bytes) {
  const size_t before = dropped_count(log);
  log.text.keep_for_reader(!log.follow);
  log.text.append(record_bytes);
  log.top -= std::min(log.top, dropped_count(log) - before);
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

size_t rows_of(const LogView& log, const LogLine& line, size_t columns) {
  if (!log.wrap || line.text.size() <= columns) return 1;
  size_t rows = 0;
  for (std::string_view rest = line.text; !rest.empty(); ++rows) take_row(rest, columns);
  return rows;
}

size_t first_on_screen(const LogView& log, size_t rows, size_t columns) {
  const size_t count = shown_count(log);
  const auto& lines = log.text.lines();
  // As many of the last lines as fit, seen from the end.
  size_t first = count;
  size_t used = 0;
  for (size_t i = lines.size(); i-- > 0 && first > 0;) {
    if (!is_shown(log, lines[i])) continue;
    used += rows_of(log, lines[i], columns);
    if (used > rows && first != count) break;
    --first;
    if (used >= rows) break;
  }
  return log.follow ? first : std::min(log.top, first);
}

std::vector<size_t> lines_on_screen(const LogView& log, size_t rows, size_t columns) {
  const size_t first = first_on_screen(log, rows, columns);
  std::vector<size_t> out;
  size_t seen = 0;
  size_t used = 0;
  const auto& lines = log.text.lines();
  const size_t start = log.shown == LogShown::kAll ? first : 0;
  if (log.shown == LogShown::kAll) seen = first;
  for (size_t i = start; i < lines.size() && used < rows; ++i) {
    if (!is_shown(log, lines[i])) continue;
    if (seen++ < first) continue;
    out.push_back(i);
    used += rows_of(log, lines[i], columns);
  }
  return out;
}

bool search_on(LogView& log, bool forwards, size_t rows, size_t columns) {
  const Pattern pattern(log.search);
  if (pattern.empty()) return false;
  const std::vector<size_t> shown = shown_lines(log);
  const size_t from = first_on_screen(log, rows, columns);
  const auto found = [&](size_t i) {
    const std::string& text = log.text.lines()[shown[i]].text;
    return pattern.find(text, 0).second != 0;
  };
  const auto go_to = [&](size_t i) {
    log.top = i;
    log.follow = false;
    const std::string& text = log.text.lines()[shown[i]].text;
    const auto [at, length] = pattern.find(text, 0);
    show_columns(log, static_cast<size_t>(width_of(std::string_view(text).substr(0, at))),
                 static_cast<size_t>(width_of(std::string_view(text).substr(at, length))), columns);
    return true;
  };
  if (forwards) {
    // The last screen cannot begin later: from there on the match is looked for in it, too.
    for (size_t i = std::max(from, log.follow ? from : log.top) + 1; i < shown.size(); ++i) {
      if (found(i)) return go_to(i);
    }
    return false;
  }
  for (size_t i = std::min(log.follow ? from : log.top, shown.size()); i-- > 0;) {
    if (found(i)) return go_to(i);
  }
  return false;
}

}  // namespace devrun::tui
