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

std::vector<size_t> Table::widths() const {
  std::vector<size_t> out;
  for (const auto& row : rows_) {
    out.resize(std::max(out.size(), row.size()));
    for (size_t i = 0; i < row.size(); ++i) out[i] = std::max(out[i], columns_of(cell(row[i])));
  }
  return out;
}

size_t Table::columns_before_last() const {
  size_t out = 0;
  const std::vector<size_t> all = widths();
  for (size_t i = 0; i + 1 < all.size(); ++i) out += all[i] + 2;
  return out;
}

std::string Table::render(size_t columns_max) const {
  const std::vector<size_t> widths = this->widths();
  std::string out;
  for (size_t r = 0; r < rows_.size(); ++r) {
    const auto& row = rows_[r];
    std::string line;
    size_t at = 0;
    for (size_t i = 0; i < row.size(); ++i) {
      if (columns_max != 0 && at >= columns_max) break;
      const std::string text =
          columns_max == 0 ? cell(row[i]) : shortened(cell(row[i]), columns_max - at);
      at += widths[i] + 2;
      const auto paint = painted_.find({r, i});
      line += paint == painted_.end() ? text : "\x1b[" + paint->second + "m" + text + "\x1b[0m";
      if (i + 1 < row.size())
        line.append(widths[i] - std::min(widths[i], columns_of(text)) + 2, ' ');
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + "\n";
  }
  return out;
}

}  // namespace devrun::cli
