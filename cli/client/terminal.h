// The terminal of whoever called: its size, and its raw mode, which is left again however the
// program ends (also by a signal or a failed CHECK), but for KILL.
#pragma once

#include "common/base/result.h"
#include "common/model/job.h"

namespace devrun::cli {

bool is_terminal(int fd);
bool has_controlling_terminal();
// {0, 0} if `fd` is no terminal.
TerminalSize terminal_size(int fd);
// False while another process group has the terminal `fd`: reading it would stop us.
bool is_foreground(int fd);

// One at a time in a process.
class RawTerminal {
 public:
  explicit RawTerminal(int fd) : fd_(fd) {}
  ~RawTerminal() { leave(); }
  RawTerminal(const RawTerminal&) = delete;
  RawTerminal& operator=(const RawTerminal&) = delete;

  Status enter();  // again after a stop, too
  void leave();
  bool is_raw() const { return raw_; }

 private:
  int fd_;
  bool raw_ = false;
};

}  // namespace devrun::cli
