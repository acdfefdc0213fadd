#include "cli/output/table.h"

#include <algorithm>

#include "cli/output/console.h"

namespace devrun::cli {

namespace {

bool begins_character(char c) {
  return (static_cast<unsigned char>(c) & 0xc0) != 0x80;
}

// One line: what would break a row is shown as an escape.
std::string cell(std::string_view text) {
  std::string out = printable(text);
  std::ranges::replace_if(
      out, [](char c) { return c == '\n' || c == '\t'; }, ' ');
  return out;
}

}  // namespace

size_t character_count(std::string_view text) {
  return static_cast<size_t>(std::ranges::count_if(text, begins_character));
}

std::string shortened(std::string_view text, size_t characters_max) {
  if (character_count(text) <= characters_max) return std::string(text);
  std::string out;
  size_t count = 0;
  for (const char c : text) {
    if (begins_character(c) && ++count == characters_max) break;
    out += c;
  }
  return out + "…";
}

std::string Table::render() const {
  std::vector<size_t> widths;
  for (const auto& row : rows_) {
    widths.resize(std::max(widths.size(), row.size()));
    for (size_t i = 0; i < row.size(); ++i)
      widths[i] = std::max(widths[i], character_count(cell(row[i])));
  }
  std::string out;
  for (size_t r = 0; r < rows_.size(); ++r) {
    const auto& row = rows_[r];
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) {
      const std::string text = cell(row[i]);
      const auto paint = painted_.find({r, i});
      line += paint == painted_.end() ? text : "\x1b[" + paint->second + "m" + text + "\x1b[0m";
      if (i + 1 < row.size()) line.append(widths[i] - character_count(text) + 2, ' ');
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + "\n";
  }
  return out;
}

}  // namespace devrun::cli
