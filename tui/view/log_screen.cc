// A job's output: the last lines while following, any part of it otherwise.
#include <fmt/format.h>

#include <algorithm>

#include "tui/view/draw.h"

namespace devrun::tui {

namespace {

// From a column on; what would be half of a wide character is a blank.
std::string without_left(std::string_view text, size_t left) {
  size_t gone = 0;
  while (!text.empty() && gone < left) gone += static_cast<size_t>(take_glyph(text).width);
  return std::string(gone - std::min(gone, left), ' ') + std::string(text);
}

std::string place_of(const Model& model) {
  const LogView& log = model.log;
  const size_t count = shown_count(log);
  const size_t top = first_on_screen(log, static_cast<size_t>(body_rows(model)),
                                     static_cast<size_t>(model.columns));
  if (!log.failure.empty()) return log.failure;
  if (log.text.damaged()) return "the log is damaged from here on";
  std::string out;
  if (log.shown != LogShown::kAll) out = log.shown == LogShown::kOut ? "stdout, " : "stderr, ";
  if (log.follow) return out + (log.ended ? "ended" : "following");
  const size_t dropped = dropped_count(log);  // the first lines keep their numbers
  return out + fmt::format("line {} of {}{}", dropped + top + 1, dropped + count,
                           log.ended ? ", ended" : "");
}

}  // namespace

void draw_log_place(const Model& model, Canvas& canvas) {
  if (model.prompt.kind != Prompt::Kind::kNone || model.question) return;
  const std::string state = place_of(model);
  const int at = canvas.columns() - width_of(state) - 1;
  canvas.put(canvas.rows() - 1, std::max(at, canvas.columns() / 2), state, Style::kDim);
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
      if (row < last) put_searched(canvas, row++, 0, without_left(text, log.left), style, search);
      continue;
    }
    do {
      if (row >= last) break;
      put_searched(canvas, row++, 0, std::string(take_row(text, columns)), style, search);
    } while (!text.empty());
  }
  if (lines.empty() && log.failure.empty()) {
    canvas.put(2, 2, log.ended ? "The job wrote nothing." : "No output yet.", Style::kDim);
  }
}

}  // namespace devrun::tui
