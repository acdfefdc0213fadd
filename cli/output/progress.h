// The controller's words during long work. On a terminal a passing word takes the place of the one
// before, and what can be measured has a bar; elsewhere only lasting ones are told.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "cli/output/console.h"

namespace devrun::cli {

// "copying [#####-----] 50 %, 1.0 of 2.0 GB", in `columns` at most; without the bar where it does
// not fit.
std::string progress_bar(std::string_view what, int64_t done, int64_t total, bool in_bytes,
                         int columns);

class Progress {
 public:
  Progress(Console& console, bool quiet, bool on_terminal)
      : console_(console), quiet_(quiet), on_terminal_(on_terminal) {}
  ~Progress() { clear(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void word(std::string_view line, bool passing);
  // `done` of `total` (more than 0).
  void amount(std::string_view what, int64_t done, int64_t total, bool in_bytes);
  // Takes a passing word away, before something else is said.
  void clear();

 private:
  Console& console_;
  const bool quiet_;
  const bool on_terminal_;
  std::string shown_;  // the passing word on the screen
};

}  // namespace devrun::cli
