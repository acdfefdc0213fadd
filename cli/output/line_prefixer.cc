#include "cli/output/line_prefixer.h"

namespace devrun::cli {

std::string LinePrefixer::feed(std::string_view bytes) {
  std::string out;
  while (!bytes.empty()) {
    const size_t newline = bytes.find('\n');
    const size_t take = newline == std::string_view::npos ? bytes.size() : newline + 1;
    line_ += bytes.substr(0, take);
    bytes.remove_prefix(take);
    if (newline == std::string_view::npos && line_.size() < kLineBytesMax) break;
    if (newline == std::string_view::npos) line_ += '\n';
    out += prefix_ + line_;
    line_.clear();
  }
  return out;
}

std::string LinePrefixer::finish() {
  if (line_.empty()) return {};
  std::string out = prefix_ + line_ + '\n';
  line_.clear();
  return out;
}

}  // namespace devrun::cli
