// The only place that knows ncurses: keys and the mouse in, cells out, and the terminal as it was afterwards, whatever ends
// the program. One at a time in a process; used from one thread.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "common/base/result.h"
#include "tui/model/event.h"
#include "tui/term/palette.h"
#include "tui/view/cells.h"

namespace devrun::tui {

struct TerminalOptions {
  bool mouse = true;
  bool ascii = false;  // even if the terminal could do more
  bool light = false;  // even if nothing says that its background is
};

class Terminal {
 public:
  // kUnsupported if stdin or stdout is no terminal, or the terminal is not known.
  static Result<std::unique_ptr<Terminal>> open(const TerminalOptions& options);
  ~Terminal();
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  // The next key, resize or press that has arrived; nothing if none has. Readable: STDIN_FILENO.
  std::optional<Event> next_event();
  Resized size() const;
  bool ascii_only() const { return ascii_only_; }

  // Readable once somebody asked the monitor to stop (SIGTSTP): then stop_if_asked() is due.
  int stop_descriptor() const;
  // Gives the terminal back, stops the process as its shell expects, and takes the terminal again
  // when it goes on; true then. Not left to ncurses, whose signal handler writes to the terminal
  // from whichever thread it interrupts.
  bool stop_if_asked();

  // Between the two the terminal is another program's.
  void give_away();
  void take_back();

  // Into the clipboard of the terminal, if it takes that (OSC 52), also through tmux.
  void copy(const std::string& text);

  // Shows the canvas; only what differs from what is shown is sent.
  void paint(const Canvas& canvas);

 private:
  Terminal();
  void take_signals();
  bool ascii_only_ = false;
  Colours colours_ = Colours::kNone;
};

}  // namespace devrun::tui
