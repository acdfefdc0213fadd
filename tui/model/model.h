// The whole state of the monitor, and how events change it. Pure: no clock, no descriptor, no terminal; the same events
// give the same model, so that a recorded session replays and every screen can be tested.
//
//   jobs ──Enter──▶ job ──l──▶ log        `?` help, `x` confirm cancel, `/` filter lie over any of them
//     ◀────Esc─────────Esc──────┘
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tui/model/event.h"
#include "tui/model/log_text.h"
#include "tui/model/rows.h"

namespace devrun::tui {

enum class Screen { kJobs, kJob, kLog };

struct LogView {
  AttemptKey of;
  LogText text;
  Screen from = Screen::kJobs;  // where Esc goes back to
  bool follow = true;
  size_t top = 0;  // first line shown, when not following
  bool ended = false;
  std::string failure;
};

struct Model {
  int rows = 24;
  int columns = 80;
  bool ascii = false;  // draw without characters beyond ASCII
  bool read_only = false;

  std::map<JobId, JobRow> jobs;
  std::map<std::string, NodeRow> nodes;
  bool connected = false;
  bool ever_connected = false;
  std::string connection_trouble;  // while not connected
  Time now;

  Screen screen = Screen::kJobs;
  JobId selected = 0;   // on the jobs screen, and the subject of the others
  size_t jobs_top = 0;  // first row shown
  std::string filter;   // words that must all appear; `!word` must not; `user:` `state:` narrow
  bool editing_filter = false;
  std::string filter_before;  // restored by Esc
  bool showing_help = false;
  std::optional<JobId> confirming_cancel;
  std::string notice;  // one line at the bottom, until the next key
  LogView log;
  std::optional<JobRow> details;  // of the job that was opened last, as fetched last
};

// What the model asks for, in order.
std::vector<Command> update(Model& model, const Event& event);

// The jobs that the filter leaves, living ones first, newest first among each.
std::vector<const JobRow*> visible_jobs(const Model& model);
bool matches(const JobRow& job, const std::string& filter);

// The fetched details of a job, if they are there.
const JobRow* details_of(const Model& model, JobId job);

// Rows of the terminal that a screen's body has (all but the title and the bottom line).
int body_rows(const Model& model);
// The first line of the log that is shown.
size_t log_top(const Model& model);

}  // namespace devrun::tui
