// Aligned columns for people. The last column is not padded; widths are what a terminal makes of the text, not bytes.
// Pure.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace devrun::cli {

class Table {
 public:
  explicit Table(std::vector<std::string> header) { rows_.push_back(std::move(header)); }
  void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
  // `codes` of SGR ("31;1") for one cell of the row that was added last. Without: as it is.
  void paint(size_t column, std::string_view codes) {
    painted_[{rows_.size() - 1, column}] = std::string(codes);
  }
  // Lines of at most so many columns, the last of them `…` where something was cut off; 0: of any length.
  std::string render(size_t columns_max = 0) const;
  // Of the columns but the last, with the blanks after them.
  size_t columns_before_last() const;

 private:
  std::vector<size_t> widths() const;
  std::vector<std::vector<std::string>> rows_;
  std::map<std::pair<size_t, size_t>, std::string> painted_;  // by row and column
};

// At most so many columns of a terminal, the last one '…' if something was cut off.
std::string shortened(std::string_view text, size_t columns_max);

}  // namespace devrun::cli
