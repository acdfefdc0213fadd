#include "common/model/labels.h"

#include <algorithm>
#include <cctype>

namespace devrun {

bool is_label_word(std::string_view word) {
  constexpr size_t kBytesMax = 63;
  const auto is_alnum = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0; };
  const auto good = [&](char c) {
    return is_alnum(c) || std::string_view("-_./").find(c) != std::string_view::npos;
  };
  return !word.empty() && word.size() <= kBytesMax && is_alnum(word[0]) &&
         std::all_of(word.begin(), word.end(), good);
}

}  // namespace devrun
