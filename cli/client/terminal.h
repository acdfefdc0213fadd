// The terminal of whoever called: its size, and its raw mode, which is left again however the
// program ends (also by a signal or a failed CHECK), but for KILL.
#pragma once

#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "common/base/result.h"
#include "common/model/job.h"

namespace devrun::cli {

bool is_terminal(int fd);
bool has_controlling_terminal();
// {0, 0} if `fd` is no terminal.
TerminalSize terminal_size(int fd);
// False while another process group has the terminal `fd`: reading it would stop us.
bool is_foreground(int fd);

enum class TerminalMode {
  // There is no program yet: keys come one by one and are not echoed, Ctrl-C and Ctrl-Z are signals still, and what is
  // written looks as ever.
  kWaiting,
  kRaw,
};

// One at a time in a process. Any thread.
class RawTerminal {
 public:
  // `plain_keys` are never signals: the detach sequence's.
  RawTerminal(int fd, std::string_view plain_keys) : fd_(fd), plain_keys_(plain_keys) {}
  ~RawTerminal() { leave(); }
  RawTerminal(const RawTerminal&) = delete;
  RawTerminal& operator=(const RawTerminal&) = delete;

  Status enter(TerminalMode mode);  // kWaiting after kRaw: stays raw
  Status enter_again();             // after a stop, which gave the shell its own modes
  void leave();
  bool is_entered() const { return mode().has_value(); }
  bool is_raw() const { return mode() == TerminalMode::kRaw; }

 private:
  std::optional<TerminalMode> mode() const;
  Status set(TerminalMode mode);  // under mutex_

  const int fd_;
  const std::string plain_keys_;
  mutable std::mutex mutex_;
  std::optional<TerminalMode> mode_;
};

}  // namespace devrun::cli
