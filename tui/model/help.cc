// The help of each screen: its keys.
#include <algorithm>
#include <array>

#include "tui/model/keys.h"

namespace devrun::tui {

namespace {

constexpr std::array kJobsHelp{
    KeyHelp{"j k ↓ ↑", "next, previous row; g G: first, last; PgDn PgUp: a page"},
    KeyHelp{"Enter", "the job in full"},
    KeyHelp{"→ ← z", "fold an array's tasks or a gang's ranks out and in, failed ones first"},
    KeyHelp{"/", "filter: words or patterns, !word, user: state: volume: node: name: label:K=V"},
    KeyHelp{"Space", "mark it: x and r are then about all marked ones; Esc unmarks"},
    KeyHelp{"o O R", "sort by the next, previous column; reversed. A click on a head sorts, too"},
};
constexpr std::array kJobHelp{
    KeyHelp{"j k ↓ ↑", "next, previous job"},
    KeyHelp{"PgDn PgUp g", "further down, up, to the top of this one"},
};
constexpr std::array kAboutJobHelp{
    KeyHelp{"l", "its output, followed"},
    KeyHelp{"x", "cancel it, or the selected task alone (asks first)"},
    KeyHelp{"r", "run it again in the same snapshot (asks first)"},
    KeyHelp{"e", "explain: why it waits, and what would let it start"},
    KeyHelp{"d", "diff: what differs between its file system and the volume now"},
    KeyHelp{"c", "changes: what it wrote"},
    KeyHelp{"a s f", "attach; a shell in it; forward a port: of a gang to that rank"},
    KeyHelp{"y", "copy its number to the clipboard"},
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
    KeyHelp{"Enter", "the jobs on it"},
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
    KeyHelp{"/ n N", "search; next, previous match"},
};
constexpr std::array kEverywhereHelp{
    KeyHelp{"1 2 3 4 Tab", "jobs, nodes, queue, volumes"},
    KeyHelp{":", "a command; Tab completes: sort, filter, cancel, show, usage, …"},
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
