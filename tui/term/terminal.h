// The only place that knows ncurses: keys and the mouse in, cells out, and the terminal as it was afterwards, whatever ends
// the program. One at a time in a process; used from one thread.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "tui/model/event.h"
#include "tui/term/palette.h"
#include "tui/term/sequences.h"
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

  // The next key, resize, press, or pasted text that has arrived; nothing if none has. Readable: STDIN_FILENO.
  std::optional<Event> next_event();
  // To be called now and then: the text of a paste whose end does not come.
  std::optional<Event> end_silent_paste();
  Resized size() const;
  bool ascii_only() const { return ascii_only_; }

  // Readable once somebody asked the monitor to stop (SIGTSTP): then stop_if_asked() is due.
  int stop_descriptor() const;
  // Gives the terminal back, stops the process as its shell expects, and takes the terminal again
  // when it goes on; true then. Not left to ncurses, whose signal handler writes to the terminal
  // from whichever thread it interrupts.
  bool stop_if_asked();
  void stop();

  // Between the two the terminal is another program's.
  void give_away();
  void take_back();

  // Into the clipboard of the terminal, if it takes that (OSC 52), also through tmux.
  void copy(const std::string& text);

  // Shows the canvas; only what differs from what is shown is sent.
  void paint(Canvas canvas);
  // The next paint() sends everything.
  void redraw();
  // Asks the terminal for a word once it shows what was painted last (DSR): next_event() gives QuestionShown for it, after
  // all keys that were pressed before. Some terminals never answer.
  void ask_when_shown();

 private:
  Terminal();
  void take_signals();
  void forget_answers();
  Event end_paste();
  std::optional<Event> special_event(int code);
  void paint_row(const Canvas& canvas, int row);

  std::optional<Canvas> shown_;  // what was painted last; none: all of it is to be painted
  std::vector<bool>
      unsure_rows_;  // with characters that not all terminals show as wide as we count
  Sequences sequences_;
  bool pasting_ = false;
  bool heard_of_paste_ = false;
  std::string pasted_;
  int asked_ = 0;     // how often it was asked whether it shows what was painted
  int answered_ = 0;  // of these
  bool ascii_only_ = false;
  Colours colours_ = Colours::kNone;
};

}  // namespace devrun::tui
