// What happens to the monitor, and what it asks for. Keys, pushed state and log bytes come in as events; commands go out
// to whoever has a connection (tui/feed.h).
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "tui/model/rows.h"

namespace devrun::tui {

// A key as the terminal layer names it: a character, or one of these.
enum class Special {
  kNone,
  kUp,
  kDown,
  kLeft,
  kRight,
  kPageUp,
  kPageDown,
  kHome,
  kEnd,
  kEnter,
  kEscape,
  kBackspace
};
struct Key {
  char32_t character = 0;  // 0 with a special key
  Special special = Special::kNone;
};
struct Resized {
  int rows = 24;
  int columns = 80;
};
// The controller's state; `whole` replaces what was known.
struct Pushed {
  bool whole = false;
  std::vector<JobRow> jobs;
  std::vector<NodeRow> nodes;
  Time now;  // the controller's clock
};
struct ConnectionLost {
  std::string why;
};
struct LogBytes {
  AttemptKey of;
  std::string bytes;   // of the output log's records
  bool ended = false;  // no more will come
};
struct LogFailed {
  AttemptKey of;
  std::string why;
};
struct CancelAnswered {
  JobId job = 0;
  std::string error;  // empty: it is being cancelled
};
// What the list does not carry: all attempts, names of variables, output so far.
struct JobFetched {
  JobRow job;
};
struct Ticked {
  Time now;  // so that ages move
};
using Event = std::variant<Key, Resized, Pushed, ConnectionLost, LogBytes, LogFailed,
                           CancelAnswered, JobFetched, Ticked>;

struct OpenLog {
  AttemptKey of;
};
struct CloseLog {};
struct FetchJob {
  JobId job = 0;
};
struct CancelJob {
  JobId job = 0;
};
struct Quit {};
using Command = std::variant<OpenLog, CloseLog, FetchJob, CancelJob, Quit>;

}  // namespace devrun::tui
