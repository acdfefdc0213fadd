// The running monitor: events from a terminal and a feed into the model, the model's cells onto the terminal.
#pragma once

#include <functional>

#include "common/base/result.h"
#include "tui/model/event.h"

namespace devrun::tui {

// Where pushed state comes from and commands go; implemented over a connection. `post` may be called from any thread
// until stop() has returned.
class Feed {
 public:
  using Post = std::function<void(Event)>;
  virtual ~Feed() = default;
  virtual void start(Post post) = 0;
  virtual void perform(const Command& command) = 0;  // never Quit; must not block
  virtual void stop() = 0;
};

struct MonitorOptions {
  bool read_only = false;
};

// Until the user quits. The clock is wall time; ages are shown by the controller's.
Status run_monitor(Feed& feed, const MonitorOptions& options);

}  // namespace devrun::tui
