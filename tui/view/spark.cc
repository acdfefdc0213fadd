#include "tui/view/spark.h"

#include <algorithm>
#include <array>

#include "tui/model/model.h"

namespace devrun::tui {

namespace {
constexpr std::array<std::string_view, 9> kBars{" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
}  // namespace

std::string_view bar_of(uint32_t percent) {
  if (percent == 0) return "▁";
  return kBars[std::min<size_t>(kBars.size() - 1, 1 + percent * 8 / 101)];
}

int put_spark(Canvas& canvas, int row, int column, const std::vector<uint8_t>& percents,
              int width) {
  const size_t room = static_cast<size_t>(std::max(0, width));
  const size_t count = std::min(room, percents.size());
  int x = column + static_cast<int>(room - count);
  for (size_t i = percents.size() - count; i < percents.size(); ++i) {
    const Style style = percents[i] == 0 ? Style::kDim : heat(percents[i]);
    if (percents[i] != kNothingTold) canvas.put(row, x, bar_of(percents[i]), style, 1);
    ++x;
  }
  return width;
}

int put_bar(Canvas& canvas, int row, int column, uint32_t percent, int width) {
  const int full = static_cast<int>(percent) * width / 100;
  for (int i = 0; i < width; ++i) {
    const bool filled = i < full || (i == 0 && percent > 0);
    canvas.put(row, column + i, filled ? "█" : "·", filled ? heat(percent) : Style::kDim, 1);
  }
  return width;
}

}  // namespace devrun::tui
