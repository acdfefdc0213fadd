// The controller's words during long work. On a terminal a passing word takes the place of the one
// before; elsewhere only lasting ones are told.
#pragma once

#include <string_view>

#include "cli/output/console.h"

namespace devrun::cli {

class Progress {
 public:
  Progress(Console& console, bool quiet, bool on_terminal)
      : console_(console), quiet_(quiet), on_terminal_(on_terminal) {}
  ~Progress() { clear(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void word(std::string_view line, bool passing);
  // Takes a passing word away, before something else is said.
  void clear();

 private:
  Console& console_;
  const bool quiet_;
  const bool on_terminal_;
  bool shown_ = false;
};

}  // namespace devrun::cli
