#include "cli/output/line_prefixer.h"

namespace devrun::cli {

std::string LinePrefixer::feed(std::string_view bytes) {
  std::string out;
  while (!bytes.empty()) {
    if (after_return_ && bytes.front() == '\n') {  // the two were one end of line
      out += '\n';
      bytes.remove_prefix(1);
      after_return_ = false;
      continue;
    }
    after_return_ = false;
    const size_t end = bytes.find_first_of("\r\n");
    const size_t take = end == std::string_view::npos ? bytes.size() : end + 1;
    line_ += bytes.substr(0, take);
    after_return_ = end != std::string_view::npos && bytes[end] == '\r';
    bytes.remove_prefix(take);
    if (end == std::string_view::npos && line_.size() < kLineBytesMax) break;
    if (end == std::string_view::npos) line_ += '\n';
    out += prefix_ + line_;
    line_.clear();
  }
  return out;
}

std::string LinePrefixer::finish() {
  std::string out = after_return_ ? "\n" : "";
  after_return_ = false;
  if (!line_.empty()) out += prefix_ + line_ + '\n';
  line_.clear();
  return out;
}

}  // namespace devrun::cli
