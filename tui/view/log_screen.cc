// A job's output: the last lines while following, any part of it otherwise.
#include <fmt/format.h>

#include <algorithm>

#include "tui/view/draw.h"

namespace devrun::tui {

namespace {

// From a column on; what would be half of a wide character is a blank.
std::string_view without_left(std::string_view text, size_t left) {
  size_t gone = 0;
  while (!text.empty() && gone < left) gone += static_cast<size_t>(width_of(take_code_point(text)));
  return text;
}

// The next part of a wrapped line.
std::string_view take_row(std::string_view& text, int columns) {
  std::string_view rest = text;
  int used = 0;
  while (!rest.empty()) {
    std::string_view next = rest;
    const int wide = width_of(take_code_point(next));
    if (used + wide > columns) break;
    used += wide;
    rest = next;
  }
  if (rest.size() == text.size()) take_code_point(rest);
  const std::string_view row = text.substr(0, text.size() - rest.size());
  text = rest;
  return row;
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
  return out + fmt::format("line {} of {}{}", top + 1, count, log.ended ? ", ended" : "");
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
  const int last = canvas.rows() - 1;
  int row = 1;
  for (const size_t i : lines_on_screen(log, rows, static_cast<size_t>(canvas.columns()))) {
    Style style = lines[i].stream == LogStream::kErr ? Style::kWarn : Style::kPlain;
    if (lines[i].stream == LogStream::kMark) style = Style::kDim;
    std::string_view text = lines[i].text;
    if (!log.wrap) {
      if (row < last)
        put_searched(canvas, row++, 0, std::string(without_left(text, log.left)), style, search);
      continue;
    }
    do {
      if (row >= last) break;
      put_searched(canvas, row++, 0, std::string(take_row(text, canvas.columns())), style, search);
    } while (!text.empty());
  }
  if (lines.empty() && log.failure.empty()) {
    canvas.put(2, 2, log.ended ? "The job wrote nothing." : "No output yet.", Style::kDim);
  }
}

}  // namespace devrun::tui
