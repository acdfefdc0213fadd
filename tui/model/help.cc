// The help of each screen: its keys.
#include <algorithm>
#include <array>

#include "tui/model/keys.h"

namespace devrun::tui {

namespace {

constexpr std::array kJobsHelp{
    KeyHelp{"j k ↓ ↑", "next, previous row; g G: first, last; PgDn PgUp: a page"},
    KeyHelp{"Enter", "the job in full"},
    KeyHelp{"→ ← z", "fold out and in: an array's tasks, a gang's ranks"},
    KeyHelp{"/", "filter: word !word user: state: volume: node: name: label:"},
    KeyHelp{"Space", "mark it: x and r are then about all marked; Esc unmarks"},
    KeyHelp{"o O R", "sort by next, previous column (or a click); reversed"},
};
constexpr std::array kJobHelp{
    KeyHelp{"j k ↓ ↑", "next, previous job"},
    KeyHelp{"PgDn PgUp g G", "further down, up, to the top, to the end of this one"},
};
constexpr std::array kAboutJobHelp{
    KeyHelp{"l", "its output, followed"},
    KeyHelp{"x", "cancel it, or the selected task alone (asks first)"},
    KeyHelp{"r", "run it again in the same snapshot (asks first)"},
    KeyHelp{"e", "explain: why it, or the task, waits, or how it ended"},
    KeyHelp{"d", "diff: its file system against the volume now"},
    KeyHelp{"c", "changes: what it wrote"},
    KeyHelp{"a", "attach; Ctrl-C leaves, or Ctrl-\\ d if it has a terminal"},
    KeyHelp{"s f y", "a shell in it; forward a port; copy its number"},
};
constexpr std::array kLogHelp{
    KeyHelp{"j k PgDn PgUp", "lines and pages down, up; Space: a page"},
    KeyHelp{"g G f", "first line; last line and follow; follow on, off"},
    KeyHelp{"/ n N", "search; next, previous match"},
    KeyHelp{"[ ]", "previous, next rank, task or attempt"},
    KeyHelp{"t", "stdout and stderr, stdout alone, stderr alone"},
    KeyHelp{"w → ←", "wrap long lines; move sideways"},
};
constexpr std::array kNodesHelp{
    KeyHelp{"j k ↓ ↑", "next, previous node"},
    KeyHelp{"Enter", "the jobs on it; Esc comes back to the nodes"},
    KeyHelp{"i", "the node in full"},
    KeyHelp{"t", "the last minutes, the last two days"},
};
constexpr std::array kQueueHelp{
    KeyHelp{"j k ↓ ↑", "next, previous job"},
    KeyHelp{"Enter", "the job in full"},
};
constexpr std::array kVolumesHelp{
    KeyHelp{"j k ↓ ↑", "next, previous volume"},
    KeyHelp{"Enter", "its snapshots"},
};
constexpr std::array kSnapshotsHelp{
    KeyHelp{"j k ↓ ↑", "next, previous snapshot"},
    KeyHelp{"Space", "mark one to compare with"},
    KeyHelp{"d Enter", "what differs from the marked one, or from the one before"},
    KeyHelp{"y", "copy its name"},
};
constexpr std::array kTextHelp{
    KeyHelp{"j k PgDn PgUp g G", "scroll"},
    KeyHelp{"w → ←", "wrap long lines or cut them; then sideways"},
    KeyHelp{"/ n N", "search; next, previous match"},
};
constexpr std::array kEverywhereHelp{
    KeyHelp{"1 2 3 4 Tab", "jobs, nodes, queue, volumes"},
    KeyHelp{":", "a command; Tab completes, ↑ ↓ earlier ones (in / too)"},
    KeyHelp{"Esc ^L ^Z", "back; draw everything anew; stop, until `fg`"},
    KeyHelp{"? q", "this help; quit"},
};

template <size_t N>
void add(std::vector<KeyHelp>& out, const std::array<KeyHelp, N>& more) {
  out.insert(out.end(), more.begin(), more.end());
}

}  // namespace

size_t help_rows(const Model& model) {
  return static_cast<size_t>(std::max(1, model.rows - 6));
}

namespace {

// In rows of so many columns, broken between words.
void add_rows(std::vector<KeyHelp>& out, KeyHelp help, size_t columns) {
  while (help.does.size() > columns) {
    size_t end = help.does.rfind(' ', columns);
    if (end == std::string_view::npos || end == 0) end = columns;
    out.push_back({help.keys, help.does.substr(0, end)});
    help = {"", help.does.substr(std::min(help.does.size(), end + 1))};
  }
  out.push_back(help);
}

}  // namespace

std::vector<KeyHelp> help_on_screen(const Model& model) {
  const size_t columns = static_cast<size_t>(std::max(20, model.columns - kHelpColumn));
  std::vector<KeyHelp> out;
  for (const KeyHelp& one : key_help(model.screen)) add_rows(out, one, columns);
  return out;
}

std::vector<KeyHelp> key_help(Screen screen) {
  std::vector<KeyHelp> out;
  if (screen == Screen::kJobs) add(out, kJobsHelp);
  if (screen == Screen::kJob) add(out, kJobHelp);
  if (screen == Screen::kLog) add(out, kLogHelp);
  if (screen == Screen::kNodes) add(out, kNodesHelp);
  if (screen == Screen::kQueue) add(out, kQueueHelp);
  if (screen == Screen::kVolumes) add(out, kVolumesHelp);
  if (screen == Screen::kSnapshots) add(out, kSnapshotsHelp);
  if (screen == Screen::kText) add(out, kTextHelp);
  if (screen == Screen::kJobs || screen == Screen::kJob || screen == Screen::kQueue) {
    add(out, kAboutJobHelp);
  }
  add(out, kEverywhereHelp);
  return out;
}

}  // namespace devrun::tui
