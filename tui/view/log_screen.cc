// A job's output: the last lines while following, any part of it otherwise.
#include <fmt/format.h>

#include <algorithm>

#include "tui/view/draw.h"

namespace devrun::tui {

namespace {

// Black is hard to see on most grounds, and white is what plain text is.
Style style_of(const Ink& ink, Style plain) {
  if (ink.reversed) return Style::kSelected;
  const int index = (ink.colour + 7) % 8;  // from black, of which has a colour
  const bool bright = ink.colour > 8;
  if (ink.colour == 0) return ink.bold ? Style::kBold : ink.dim ? Style::kDim : plain;
  if (index == 0) return Style::kDim;
  if (index == 7) return bright || ink.bold ? Style::kBold : ink.dim ? Style::kDim : Style::kPlain;
  const Style first = bright || ink.bold ? Style::kInkBoldRed : Style::kInkRed;
  return static_cast<Style>(static_cast<int>(first) + index - 1);
}

// The inks of a part of a line that is on the canvas already, its first byte `left` columns before column 0.
void paint_inks(Canvas& canvas, int row, const LogLine& line, std::string_view part, size_t left,
                Style plain) {
  const auto begin = static_cast<size_t>(part.data() - line.text.data());
  const size_t end = begin + part.size();
  int column = -static_cast<int>(left);
  for (size_t i = 0; i < line.inks.size() && column < canvas.columns(); ++i) {
    const size_t from = std::clamp<size_t>(line.inks[i].byte, begin, end);
    const size_t next = i + 1 < line.inks.size() ? line.inks[i + 1].byte : end;
    const size_t to = std::clamp(next, from, end);
    const std::string_view text = line.text;
    if (i == 0) column += width_of(text.substr(begin, from - begin));
    const int wide = width_of(text.substr(from, to - from));
    const int x = std::max(0, column);
    canvas.paint(row, x, column + wide - x, style_of(line.inks[i].ink, plain));
    column += wide;
  }
}

std::string place_of(const Model& model) {
  const LogView& log = model.log;
  const size_t top = first_on_screen(log, static_cast<size_t>(body_rows(model)),
                                     static_cast<size_t>(model.columns));
  if (!log.failure.empty()) return log.failure;
  if (log.text.damaged()) return "the log is damaged from here on";
  std::string out;
  if (log.seeking != Seeking::kNone)
    return fmt::format("searching at line {} of {}", dropped_count(log) + 1, known_count(log));
  if (log.wanted) return fmt::format("reading line {} of {}", *log.wanted + 1, known_count(log));
  if (log.shown != LogShown::kAll) out = log.shown == LogShown::kOut ? "stdout, " : "stderr, ";
  if (log.follow) return out + (log.ended ? "ended" : "following");
  return out + fmt::format("line {} of {}{}", dropped_count(log) + top + 1, known_count(log),
                           log.ended ? ", ended" : "");
}

}  // namespace

std::string log_place(const Model& model) {
  return cut(place_of(model), model.columns / 2);
}

void draw_log(const Model& model, Canvas& canvas) {
  const LogView& log = model.log;
  const auto& lines = log.text.lines();
  const auto rows = static_cast<size_t>(body_rows(model));
  const Pattern search(log.search);
  const auto columns = static_cast<size_t>(canvas.columns());
  const int last = canvas.rows() - 1;
  int row = 1;
  for (const size_t i : lines_on_screen(log, rows, columns)) {
    Style style = lines[i].stream == LogStream::kErr ? Style::kWarn : Style::kPlain;
    if (lines[i].stream == LogStream::kMark) style = Style::kDim;
    std::string_view text = lines[i].text;
    if (!log.wrap) {
      if (row >= last) break;
      const std::string seen = without_left(text, log.left);
      canvas.put(row, 0, seen, style);
      paint_inks(canvas, row, lines[i], text, log.left, style);
      mark_found(canvas, row++, 0, seen, search);
      continue;
    }
    do {
      if (row >= last) break;
      const std::string_view part = take_row(text, columns);
      canvas.put(row, 0, part, style);
      paint_inks(canvas, row, lines[i], part, 0, style);
      mark_found(canvas, row++, 0, std::string(part), search);
    } while (!text.empty());
  }
  if (lines.empty() && log.failure.empty()) {
    canvas.put(2, 2, log.ended ? "The job wrote nothing." : "No output yet.", Style::kDim);
  }
}

}  // namespace devrun::tui
