// Puts a prefix before each line of a stream that comes in pieces, so that the ranks of a job can
// share one terminal: only whole lines are passed on, and a line without end once it is long. A carriage
// return ends a line, too, so that progress bars move. Pure.
#pragma once

#include <string>
#include <string_view>

namespace devrun::cli {

class LinePrefixer {
 public:
  explicit LinePrefixer(std::string prefix) : prefix_(std::move(prefix)) {}

  std::string feed(std::string_view bytes);
  std::string finish();  // what is left of a line that has no end

 private:
  static constexpr size_t kLineBytesMax = 64 << 10;

  std::string prefix_;
  std::string line_;
  bool after_return_ = false;
};

}  // namespace devrun::cli
