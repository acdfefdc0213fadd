// Aligned columns for people. The last column is not padded; widths count characters, not bytes.
// Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace devrun::cli {

class Table {
 public:
  explicit Table(std::vector<std::string> header) { rows_.push_back(std::move(header)); }
  void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
  std::string render() const;

 private:
  std::vector<std::vector<std::string>> rows_;
};

// The number of characters of a UTF-8 text.
size_t character_count(std::string_view text);

// At most `characters_max`, the last one '…' if something was cut off.
std::string shortened(std::string_view text, size_t characters_max);

}  // namespace devrun::cli
