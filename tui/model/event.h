// What happens to the monitor, and what it asks for. Keys, pushed state, answers and log bytes come in as events; commands
// go out to whoever has a connection and a terminal (tui/term/monitor.h).
#pragma once

#include <cstdint>
#include <optional>
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
  kBackspace,
  kTab,
  kBackTab
};
struct Key {
  char32_t character = 0;  // 0 with a special key
  Special special = Special::kNone;
};
// Text that was pasted, as the terminal told (bracketed paste); bounded by kPasteBytesMax.
struct Pasted {
  std::string text;
};
inline constexpr size_t kPasteBytesMax = 4096;
// The terminal shows the question that was drawn last: keys from here on were pressed by somebody who could see it.
struct QuestionShown {};
// How many rows the job screen has in all: beyond them nobody scrolls.
struct JobDrawn {
  size_t rows = 0;
};
struct Mouse {
  enum class What { kPress, kWheelUp, kWheelDown };
  int row = 0;
  int column = 0;
  What what = What::kPress;
};
struct Resized {
  int rows = 24;
  int columns = 80;
};
// The controller's state; `whole` replaces what was known, else first what is gone goes.
struct Pushed {
  bool whole = false;
  std::vector<JobRow> jobs = {};
  std::vector<NodeRow> nodes = {};
  Time now = {};  // the controller's clock
  std::vector<JobId> gone = {};
  std::vector<std::string> gone_nodes = {};
  std::vector<NodeSample> loads = {};
};
struct ConnectionLost {
  std::string why;
};
struct LogBytes {
  AttemptKey of;
  std::string bytes;      // of the output log's records
  bool ended = false;     // no more will come
  uint64_t reading = 0;   // OpenLog's
  bool all_here = false;  // what was asked for has come; there may be more
};
struct LogFailed {
  AttemptKey of;
  std::string why;
};
// What was asked for was done, or was not.
struct Answered {
  std::string words;
  bool failed = false;
  std::optional<TaskKey> cancelled = {};  // what ends now; the words are about it alone
};
// What the list does not carry: all attempts, names of variables, output so far.
struct JobFetched {
  JobRow job;
};
struct SeriesFetched {
  JobId job = 0;
  LoadSeries series;
};
struct NodeSeriesFetched {
  bool days = false;
  std::vector<LoadSeries> series;
};
struct QueueFetched {
  std::vector<QueuedJob> rows;
  uint64_t waiting = 0;
};
struct VolumesFetched {
  std::vector<VolumeRow> rows;
  std::string failure;
};
struct SnapshotsFetched {
  std::string volume;
  std::vector<SnapshotRow> rows;
  std::string failure;
};
// Of the program whose output was asked for; `number` is RunForText's.
struct TextFetched {
  uint64_t number = 0;
  std::string text;
  bool ended = false;
  int status = 0;
};
struct Ticked {
  Time now;  // so that ages move
};
using Event =
    std::variant<Key, Mouse, Pasted, QuestionShown, JobDrawn, Resized, Pushed, ConnectionLost,
                 LogBytes, LogFailed, Answered, JobFetched, SeriesFetched, NodeSeriesFetched,
                 QueueFetched, VolumesFetched, SnapshotsFetched, TextFetched, Ticked>;

struct OpenLog {
  AttemptKey of;
  uint64_t reading = 0;  // comes back with what was read
  uint64_t from = 0;     // byte of the log
  uint64_t upto = 0;     // likewise; 0: to its end, and followed
};
struct CloseLog {};
struct FetchJob {
  JobId job = 0;
};
struct FetchSeries {
  JobId job = 0;
};
struct FetchNodeSeries {
  bool days = false;
};
struct FetchQueue {};
struct FetchVolumes {};
struct FetchSnapshots {
  std::string volume;
};
struct CancelJob {
  TaskKey task;
};
// `devrun WORDS…`, its output as TextFetched; one at a time, a newer one ends it.
struct RunForText {
  uint64_t number = 0;
  std::vector<std::string> words;
};
// The same with the terminal to itself; the monitor comes back at its end.
struct RunInTerminal {
  std::vector<std::string> words;
};
// The same, and its last line as Answered.
struct RunAndTell {
  std::vector<std::string> words;
};
struct CopyText {
  std::string text;
};
// The whole screen anew, whatever has become of it.
struct Redraw {};
// Ctrl-Z: stop as programs do, until the shell lets us go on.
struct Suspend {};
struct Quit {};
using Command = std::variant<OpenLog, CloseLog, FetchJob, FetchSeries, FetchNodeSeries, FetchQueue,
                             FetchVolumes, FetchSnapshots, CancelJob, RunForText, RunInTerminal,
                             RunAndTell, CopyText, Redraw, Suspend, Quit>;

}  // namespace devrun::tui
