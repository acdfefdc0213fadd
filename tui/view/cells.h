// What a terminal shows, as data: a grid of cells. Screens draw into it, the terminal layer paints it, tests print it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/text_width.h"

namespace devrun::tui {

enum class Style {
  kPlain,
  kDim,
  kBold,
  kTitle,
  kHead,
  kSelected,
  kGood,
  kBad,
  kBusy,
  kWarn,
  kFound,  // what was searched for
  kHeat1,  // how much of something is used, little to all
  kHeat2,
  kHeat3,
  kHeat4,
  kHeat5,
  kInkRed,  // of a job's output, from the terminal's own palette
  kInkGreen,
  kInkYellow,
  kInkBlue,
  kInkMagenta,
  kInkCyan,
  kInkBoldRed,
  kInkBoldGreen,
  kInkBoldYellow,
  kInkBoldBlue,
  kInkBoldMagenta,
  kInkBoldCyan
};
inline constexpr size_t kStyles = static_cast<size_t>(Style::kInkBoldCyan) + 1;
// Of 0 to 100 percent.
Style heat(uint32_t percent);

struct Cell {
  std::string glyph =
      " ";  // UTF-8, with any combining characters; empty: the right half of a wide one
  Style style = Style::kPlain;
  bool operator==(const Cell&) const = default;
};

class Canvas {
 public:
  Canvas(int rows, int columns);
  int rows() const { return rows_; }
  int columns() const { return columns_; }
  const Cell& at(int row, int column) const;

  // Text from (row, column), control characters shown as ·, cut at `width` columns (with … if it was longer) and at the edge. Returns the columns used.
  int put(int row, int column, std::string_view text, Style style, int width = 1 << 20);
  // The style of a whole row, or of a part of it, its glyphs kept.
  void paint_row(int row, Style style);
  void paint(int row, int column, int width, Style style);
  bool same_row(const Canvas& other, int row) const;  // of the same size
  // How many rows the body would have if the screen were as long as that; 0: no more than are here.
  size_t rows_in_all() const { return rows_in_all_; }
  void tell_rows_in_all(size_t rows) { rows_in_all_ = rows; }
  // One line for each row, without trailing blanks.
  std::string text() const;

 private:
  Cell& cell(int row, int column);
  // Of a wide glyph that this covers half of, the other half becomes a blank.
  void set(int row, int column, Cell cell);

  int rows_;
  int columns_;
  size_t rows_in_all_ = 0;
  std::vector<Cell> cells_;
};

// The nearest to a glyph that a terminal without UTF-8 can show, as wide: of a wide one, two characters.
std::string plain_ascii(const std::string& glyph);

}  // namespace devrun::tui
