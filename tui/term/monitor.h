// The running monitor: events from a terminal and a feed into the model, the model's cells onto the terminal.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "tui/model/event.h"
#include "tui/term/terminal.h"

namespace devrun::tui {

// Where pushed state comes from and commands go; implemented over a connection. `post` may be called from any thread
// until stop() has returned.
class Feed {
 public:
  using Post = std::function<void(Event)>;
  virtual ~Feed() = default;
  virtual void start(Post post) = 0;
  // Never those that are the terminal's: Quit, CopyText, RunInTerminal, Redraw, Suspend. Must not block.
  virtual void perform(const Command& command) = 0;
  virtual void stop() = 0;
};

struct MonitorOptions {
  bool read_only = false;
  TerminalOptions terminal = {};
  std::string filter = {};  // that it begins with
  // Runs `devrun WORDS…` with the terminal to itself, to its end.
  std::function<void(const std::vector<std::string>& words)> run_in_terminal = {};
};

// Until the user quits. The clock is wall time; ages are shown by the controller's.
Status run_monitor(Feed& feed, const MonitorOptions& options);

}  // namespace devrun::tui
