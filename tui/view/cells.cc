#include "tui/view/cells.h"

#include <algorithm>
#include <array>

#include "common/base/check.h"

namespace devrun::tui {

namespace {

struct Range {
  char32_t first;
  char32_t last;
};
// The blocks of UAX #11's W and F, and the common combining blocks; enough for names and logs.
constexpr std::array kWide{
    Range{0x1100, 0x115f},   Range{0x231a, 0x231b},   Range{0x23e9, 0x23ec},
    Range{0x25fd, 0x25fe},   Range{0x2614, 0x2615},   Range{0x26a1, 0x26a1},
    Range{0x2705, 0x2705},   Range{0x2728, 0x2728},   Range{0x274c, 0x274c},
    Range{0x2e80, 0x303e},   Range{0x3041, 0x33ff},   Range{0x3400, 0x4dbf},
    Range{0x4e00, 0x9fff},   Range{0xa000, 0xa4cf},   Range{0xac00, 0xd7a3},
    Range{0xf900, 0xfaff},   Range{0xfe30, 0xfe6f},   Range{0xff00, 0xff60},
    Range{0xffe0, 0xffe6},   Range{0x1f300, 0x1f64f}, Range{0x1f680, 0x1f6ff},
    Range{0x1f900, 0x1f9ff}, Range{0x20000, 0x3fffd}};
constexpr std::array kCombining{Range{0x0300, 0x036f}, Range{0x0483, 0x0489}, Range{0x0591, 0x05bd},
                                Range{0x064b, 0x065f}, Range{0x0e34, 0x0e3a}, Range{0x1ab0, 0x1aff},
                                Range{0x1dc0, 0x1dff}, Range{0x200b, 0x200f}, Range{0x20d0, 0x20ff},
                                Range{0xfe00, 0xfe0f}, Range{0xfe20, 0xfe2f}};

template <size_t N>
bool within(const std::array<Range, N>& ranges, char32_t c) {
  return std::any_of(ranges.begin(), ranges.end(),
                     [c](const Range& range) { return c >= range.first && c <= range.last; });
}

}  // namespace

int width_of(char32_t c) {
  if (c < 0x300) return 1;
  if (within(kCombining, c)) return 0;
  return within(kWide, c) ? 2 : 1;
}

int width_of(std::string_view utf8) {
  int width = 0;
  while (!utf8.empty()) width += width_of(take_code_point(utf8));
  return width;
}

char32_t take_code_point(std::string_view& utf8) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(utf8[i]); };
  const unsigned char lead = byte(0);
  const size_t length = lead < 0x80       ? 1
                        : lead >> 5 == 6  ? 2
                        : lead >> 4 == 14 ? 3
                        : lead >> 3 == 30 ? 4
                                          : 0;
  char32_t out = length <= 1 ? lead : static_cast<char32_t>(lead & (0xff >> (length + 1)));
  bool good = length != 0 && utf8.size() >= length;
  for (size_t i = 1; good && i < length; ++i) {
    good = (byte(i) & 0xc0) == 0x80;
    out = out << 6 | static_cast<char32_t>(byte(i) & 0x3f);
  }
  utf8.remove_prefix(good ? length : 1);
  return good ? out : 0xfffd;
}

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
    const std::string_view before = text;
    const char32_t c = take_code_point(text);
    const bool control = c < 0x20 || (c >= 0x7f && c < 0xa0);
    const std::string_view glyph = c == 0xfffd ? "\xef\xbf\xbd"
                                   : control   ? "·"
                                               : before.substr(0, before.size() - text.size());
    const int wide = control ? 1 : width_of(c);
    if (wide == 0) {
      if (x > column) cell(row, x - 1).glyph += glyph;
      continue;
    }
    if (x + wide > text_end) break;
    set(row, x, {std::string(glyph), style});
    if (wide == 2) set(row, x + 1, {"", style});
    x += wide;
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
