#include "tui/view/cells.h"

#include <algorithm>

#include "common/base/check.h"

namespace devrun::tui {

Canvas::Canvas(int rows, int columns)
    : rows_(std::max(1, rows)),
      columns_(std::max(1, columns)),
      cells_(static_cast<size_t>(rows_) * static_cast<size_t>(columns_)) {}

const Cell& Canvas::at(int row, int column) const {
  CHECK(row >= 0 && row < rows_ && column >= 0 && column < columns_);
  return cells_[static_cast<size_t>(row) * static_cast<size_t>(columns_) +
                static_cast<size_t>(column)];
}

Cell& Canvas::cell(int row, int column) {
  return const_cast<Cell&>(at(row, column));
}

void Canvas::set(int row, int column, Cell next) {
  Cell& here = cell(row, column);
  const bool is_right_half = here.glyph.empty();
  if (is_right_half && !next.glyph.empty() && column > 0) cell(row, column - 1).glyph = " ";
  if (!is_right_half && column + 1 < columns_ && cell(row, column + 1).glyph.empty()) {
    cell(row, column + 1).glyph = " ";
  }
  here = std::move(next);
}

int Canvas::put(int row, int column, std::string_view text, Style style, int width) {
  if (row < 0 || row >= rows_ || column < 0 || column >= columns_ || width <= 0) return 0;
  const int end = std::min(columns_, column + std::min(width, columns_));
  const bool cut = width_of(text) > end - column;
  const int text_end = cut ? end - 1 : end;
  int x = column;
  while (!text.empty()) {
    Glyph glyph = take_glyph(text);
    if (glyph.width == 0) continue;
    if (x + glyph.width > text_end) break;
    set(row, x, {std::move(glyph.text), style});
    if (glyph.width == 2) set(row, x + 1, {"", style});
    x += glyph.width;
  }
  if (cut && x < end) set(row, x++, {"…", style});
  return x - column;
}

Style heat(uint32_t percent) {
  constexpr uint32_t kSteps[] = {10, 35, 65, 90};
  size_t level = 0;
  while (level < std::size(kSteps) && percent >= kSteps[level]) ++level;
  return static_cast<Style>(static_cast<size_t>(Style::kHeat1) + level);
}

std::string plain_ascii(const std::string& glyph) {
  if (glyph.empty()) return "";
  if (static_cast<unsigned char>(glyph[0]) < 0x80) return glyph.substr(0, 1);
  constexpr std::pair<std::string_view, char> kNearest[] = {
      {"…", '~'}, {"▏", '_'}, {"─", '-'}, {"▸", '>'}, {"▾", 'v'}, {"●", '*'},
      {"·", '.'}, {"▁", '_'}, {"▂", '.'}, {"▃", ':'}, {"▄", '-'}, {"▅", '='},
      {"▆", '+'}, {"▇", '*'}, {"█", '#'}, {"↓", 'v'}, {"↑", '^'}, {"→", '>'},
      {"←", '<'}, {"⚠", '!'}, {"│", '|'}, {"└", '`'}, {"├", '|'}};
  for (const auto& [from, to] : kNearest) {
    if (glyph == from) return std::string(1, to);
  }
  return std::string(width_of(glyph) == 2 ? 2 : 1, '?');
}

void Canvas::paint_row(int row, Style style) {
  if (row < 0 || row >= rows_) return;
  for (int x = 0; x < columns_; ++x) cell(row, x).style = style;
}

void Canvas::paint(int row, int column, int width, Style style) {
  if (row < 0 || row >= rows_) return;
  const int end = std::min(columns_, column + std::min(width, columns_));
  for (int x = std::max(0, column); x < end; ++x) cell(row, x).style = style;
}

bool Canvas::same_row(const Canvas& other, int row) const {
  const auto begin = static_cast<size_t>(row) * static_cast<size_t>(columns_);
  return std::equal(cells_.begin() + static_cast<std::ptrdiff_t>(begin),
                    cells_.begin() + static_cast<std::ptrdiff_t>(begin) + columns_,
                    other.cells_.begin() + static_cast<std::ptrdiff_t>(begin));
}

std::string Canvas::text() const {
  std::string out;
  for (int row = 0; row < rows_; ++row) {
    std::string line;
    for (int x = 0; x < columns_; ++x) line += at(row, x).glyph;
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + "\n";
  }
  return out;
}

}  // namespace devrun::tui
