#include "tui/view/spark.h"

#include <algorithm>
#include <array>

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
    canvas.put(row, x++, bar_of(percents[i]), percents[i] == 0 ? Style::kDim : heat(percents[i]),
               1);
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

std::vector<uint8_t> scaled(const std::vector<uint32_t>& values, uint32_t whole) {
  const uint32_t most = values.empty() ? whole : std::max(whole, *std::ranges::max_element(values));
  std::vector<uint8_t> out;
  for (const uint32_t value : values) {
    out.push_back(most == 0 ? uint8_t{0} : static_cast<uint8_t>(uint64_t{value} * 100 / most));
  }
  return out;
}

}  // namespace devrun::tui
