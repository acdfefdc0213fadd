// A job's output: the last lines while following, any part of it otherwise.
#include <fmt/format.h>

#include <algorithm>

#include "tui/view/draw.h"

namespace devrun::tui {

void draw_log(const Model& model, Canvas& canvas) {
  const auto& lines = model.log.text.lines();
  const size_t top = log_top(model);
  const int last = canvas.rows() - 1;
  int row = 1;
  for (size_t i = top; i < lines.size() && row < last; ++i, ++row) {
    Style style = lines[i].stream == LogStream::kErr ? Style::kWarn : Style::kPlain;
    if (lines[i].stream == LogStream::kMark) style = Style::kDim;
    canvas.put(row, 0, lines[i].text, style);
  }
  std::string state =
      model.log.follow ? "following" : fmt::format("line {} of {}", top + 1, lines.size());
  if (model.log.ended) state = model.log.follow ? "ended" : state + ", ended";
  if (model.log.text.damaged()) state = "the log is damaged from here on";
  if (!model.log.failure.empty()) state = model.log.failure;
  if (lines.empty() && model.log.failure.empty()) {
    canvas.put(2, 2, model.log.ended ? "The job wrote nothing." : "No output yet.", Style::kDim);
  }
  const int at = canvas.columns() - width_of(state) - 1;
  canvas.put(last, std::max(at, canvas.columns() / 2), state, Style::kDim);
}

}  // namespace devrun::tui
