// The whole state of the monitor, and how events change it. Pure: no clock, no descriptor, no terminal; the same events
// give the same model, so that a recorded session replays and every screen can be tested.
//
//   1 jobs ──Enter──▶ job ──l──▶ log          2 nodes    3 queue    4 volumes ──Enter──▶ snapshots
//     ◀────Esc──────────Esc──────┘            e, d: text (explain, diff) over any of them, Esc goes back
//   over every screen: `?` help, a question, a prompt (`/` filter or search, `:` command)
#pragma once

#include <array>
#include <cstddef>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "tui/model/event.h"
#include "tui/model/filter.h"
#include "tui/model/history.h"
#include "tui/model/job_list.h"
#include "tui/model/log_view.h"
#include "tui/model/rows.h"

namespace devrun::tui {

enum class Screen { kJobs, kJob, kLog, kNodes, kQueue, kVolumes, kSnapshots, kText };

// A line of typing at the bottom.
struct Prompt {
  enum class Kind { kNone, kFilter, kSearch, kCommand };
  Kind kind = Kind::kNone;
  std::string text;
  std::string before;  // what Esc restores
  size_t back = 0;     // how far ↑ has gone back in what was typed before; 0: it stands as typed
  std::string typed = {};  // that, while `back` is not 0
};
inline constexpr size_t kPrompts = static_cast<size_t>(Prompt::Kind::kCommand) + 1;

// Asked at the bottom: `y` does it, any other key does not. Keys that were pressed before it was shown answer nothing.
struct Question {
  std::string words;
  std::vector<Command> commands;
  bool of_marked = false;  // is about the marked jobs
  bool shown = false;
};

// Where somebody is in a list of rows.
struct Cursor {
  size_t row = 0;
  size_t top = 0;
};

struct TextView {
  uint64_t number = 0;  // of the program that writes it
  std::string title;
  std::vector<std::string> lines;
  bool ended = false;
  Cursor cursor;
  bool wrap = true;
  size_t left = 0;  // columns that are scrolled away, when not wrapped
  std::string search;
};

// The newest sample of a node, and those before it in percent, newest last; kNothingTold where there is a gap.
struct NodeLoad {
  NodeSample newest;
  Time told = {};  // that, by the controller's clock; 0: never
  Time upto = {};  // the newest point below
  std::vector<uint8_t> cpu, memory, gpu;
  bool counts = false;  // in what jobs use
};
inline constexpr size_t kNodeHistoryMax = 150;
inline constexpr uint8_t kNothingTold = 255;

struct Model {
  int rows = 24;
  int columns = 80;
  bool ascii = false;  // draw without characters beyond ASCII
  bool read_only = false;

  std::map<JobId, JobRow> jobs;
  std::map<std::string, NodeRow> nodes;
  std::map<std::string, NodeLoad> node_loads;
  std::map<JobId, JobLoad> job_loads;
  std::map<AttemptKey, AttemptSample> attempt_loads;
  bool connected = false;
  bool ever_connected = false;
  std::string connection_trouble;  // while not connected
  Time now;

  Screen screen = Screen::kJobs;
  std::vector<Screen> back;  // where Esc goes to, innermost last

  JobList list;                    // of the jobs screen
  JobId selected = 0;              // on the jobs screen, and the subject of the others
  std::optional<AttemptKey> part;  // of it, when a folded-out row is selected
  size_t jobs_top = 0;             // first row shown
  size_t jobs_line =
      0;  // where the selected one was: what takes its place is selected when it goes
  std::string filter;
  // The user's own, while that is the jobs of a node: Esc gives it back, and leads to the nodes.
  std::optional<std::string> filter_before_node;
  std::set<JobId> marked;
  std::set<JobId> unfolded;

  Prompt prompt;
  std::array<History, kPrompts> typed;  // by Prompt::Kind
  bool showing_help = false;
  size_t help_top = 0;
  std::optional<Question> question;
  std::string notice;  // one line at the bottom, until the next key
  bool notice_is_bad = false;
  std::vector<TaskKey> being_cancelled;  // what the notice is about, if it is about that
  Time notice_until;                     // with these

  LogView log;
  uint64_t readings = 0;  // of logs, that were begun
  TextView text;
  uint64_t texts_asked = 0;
  std::map<JobId, JobRow> details;  // of jobs that were opened or folded out, as fetched last
  std::optional<SeriesFetched> series;
  size_t job_top = 0;   // first row shown of the job screen
  size_t job_rows = 0;  // that it has in all, as it was drawn last

  Cursor node_cursor;
  bool node_days = false;
  std::map<std::string, LoadSeries> node_days_series;
  std::vector<QueuedJob> queue;
  Time queue_asked;  // for it, last
  uint64_t queue_waiting = 0;
  Cursor queue_cursor;
  std::vector<VolumeRow> volumes;
  std::string volumes_failure;
  Cursor volume_cursor;
  std::string snapshots_of;  // volume
  std::vector<SnapshotRow> snapshots;
  std::string snapshots_failure;
  Cursor snapshot_cursor;
  std::optional<uint64_t> snapshot_mark;  // to be compared with
};

// What the model asks for, in order.
std::vector<Command> update(Model& model, const Event& event);
// The same in two halves, for who has many events: apply() each, then settle() once before it is drawn or a key comes.
void apply(Model& model, const Event& event, std::vector<Command>& commands);
void settle(Model& model);

// The jobs that the filter leaves, in order, folded out ones' parts after them.
std::vector<const JobRow*> visible_jobs(const Model& model);
bool matches(const JobRow& job, const std::string& filter);

// The fetched details of a job, if they are there.
const JobRow* details_of(const Model& model, JobId job);
// The newest of what is known of a job.
const JobRow* job_of(const Model& model, JobId job);
bool any_gpus(const Model& model);
// The array's task that the job screen is about, if it was opened on one.
std::optional<TaskKey> shown_task(const Model& model);

// Rows of the terminal that a screen's body has (all but the title and the bottom line).
int body_rows(const Model& model);
// Rows of a list, below its column heads.
size_t list_rows(const Model& model);
// Rows below the list of nodes that tell of the selected one.
size_t node_detail_rows(const Model& model);
// Keeps it within `count` rows, and on the screen.
void keep_in_sight(Cursor& cursor, size_t count, size_t room);

}  // namespace devrun::tui
