#include "cli/output/table.h"

#include <algorithm>

#include "cli/output/console.h"
#include "common/base/text_width.h"

namespace devrun::cli {

namespace {

size_t columns_of(std::string_view text) {
  return static_cast<size_t>(width_of(text));
}

// One line: what would break a row is shown as an escape.
std::string cell(std::string_view text) {
  std::string out = printable(text);
  std::ranges::replace_if(
      out, [](char c) { return c == '\n' || c == '\t'; }, ' ');
  return out;
}

}  // namespace

std::string shortened(std::string_view text, size_t columns_max) {
  if (columns_of(text) <= columns_max) return std::string(text);
  std::string_view rest = text;
  size_t used = 0;
  while (!rest.empty()) {
    std::string_view after = rest;
    used += static_cast<size_t>(take_glyph(after).width);
    if (used >= columns_max) break;
    rest = after;
  }
  return std::string(text.substr(0, text.size() - rest.size())) + "…";
}

std::string Table::render() const {
  std::vector<size_t> widths;
  for (const auto& row : rows_) {
    widths.resize(std::max(widths.size(), row.size()));
    for (size_t i = 0; i < row.size(); ++i)
      widths[i] = std::max(widths[i], columns_of(cell(row[i])));
  }
  std::string out;
  for (size_t r = 0; r < rows_.size(); ++r) {
    const auto& row = rows_[r];
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) {
      const std::string text = cell(row[i]);
      const auto paint = painted_.find({r, i});
      line += paint == painted_.end() ? text : "\x1b[" + paint->second + "m" + text + "\x1b[0m";
      if (i + 1 < row.size()) line.append(widths[i] - columns_of(text) + 2, ' ');
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + "\n";
  }
  return out;
}

}  // namespace devrun::cli
