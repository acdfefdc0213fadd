// The frame of every screen: the title line above, keys or a question below, overlays.
#include "tui/view/draw.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <set>

#include "common/base/units.h"
#include "tui/model/keys.h"
#include "tui/model/loads.h"

namespace devrun::tui {

namespace {

size_t count_jobs(const Model& model, JobState state) {
  return static_cast<size_t>(
      std::count_if(model.jobs.begin(), model.jobs.end(),
                    [&](const auto& entry) { return entry.second.state == state; }));
}

std::string where(const Model& model) {
  switch (model.screen) {
    case Screen::kJobs:
      return "jobs";
    case Screen::kJob:
      return fmt::format("job {}",
                         to_string(shown_task(model).value_or(TaskKey{model.selected, kNoTask})));
    case Screen::kLog:
      return fmt::format("log of {}", to_string(model.log.of));
    case Screen::kNodes:
      return "nodes";
    case Screen::kQueue:
      return "queue";
    case Screen::kVolumes:
      return "volumes";
    case Screen::kSnapshots:
      return "snapshots of " + model.snapshots_of;
    case Screen::kText:
      return model.text.title;
  }
  return "";
}

constexpr std::string_view kReadOnly = "  read-only ";

void draw_title(const Model& model, Canvas& canvas) {
  canvas.paint_row(0, Style::kTitle);
  const auto connected =
      static_cast<size_t>(std::count_if(model.nodes.begin(), model.nodes.end(),
                                        [](const auto& entry) { return entry.second.connected; }));
  const size_t unreachable = count_jobs(model, JobState::kUnreachable);
  std::string right =
      fmt::format("{} running  {}{} queued  {}/{} nodes ", count_jobs(model, JobState::kRunning),
                  unreachable == 0 ? "" : fmt::format("{} unreachable  ", unreachable),
                  count_jobs(model, JobState::kQueued), connected, model.nodes.size());
  Style style = Style::kTitle;
  if (!model.connected) {
    right = model.ever_connected ? "controller away, state may be old " : "connecting… ";
    style = Style::kWarn;
  }
  const int at = canvas.columns() - width_of(right);
  const std::string_view mark = model.read_only ? kReadOnly : "";
  int x = canvas.put(0, 0, fmt::format(" devrun  {}", where(model)), Style::kTitle,
                     std::max(0, canvas.columns() - width_of(mark)));
  x += canvas.put(0, x, mark, Style::kWarn);
  if (at > x) canvas.put(0, at, right, style);
}

// As many as there is room for beside where one is; the last ones go first, those that lead on stay.
std::string log_keys(int room) {
  constexpr std::array kKeys{" f follow", " / search", " w wrap", " t stream"};
  constexpr std::string_view kAlways = " Esc back  ? help  q quit";
  for (size_t shown = kKeys.size(); shown > 0; --shown) {
    const std::string out =
        fmt::format("{} {}", fmt::join(kKeys.begin(), kKeys.begin() + shown, " "), kAlways);
    if (width_of(out) <= room) return out;
  }
  constexpr std::array kLast{kAlways, kAlways.substr(0, 17), kAlways.substr(10, 7)};
  const auto fits = std::ranges::find_if(kLast, [&](auto one) { return width_of(one) <= room; });
  return fits == kLast.end() ? "" : std::string(*fits);
}

std::string keys_of(const Model& model) {
  switch (model.screen) {
    case Screen::kJobs:
      if (!model.marked.empty()) {
        const size_t hidden = hidden_marks(model);
        return fmt::format(" {} marked{}  x cancel  r rerun  Esc unmark  ? help  q quit",
                           model.marked.size(),
                           hidden == 0 ? "" : fmt::format(", {} hidden by the filter", hidden));
      }
      if (!model.filter.empty()) {
        return fmt::format(" /{}{}  Esc {}  ? help  q quit", model.filter,
                           model.list.filter.is_broken() ? "  (a pattern that cannot be read)" : "",
                           model.filter_before_node ? "back to the nodes" : "clears it");
      }
      if (model.columns < 68) return " Enter job  l log  x cancel  / filter  ? help  q quit";
      return model.columns < 116
                 ? " Enter job  l log  x cancel  / filter  Tab nodes  ? help  q quit"
                 : " Enter job  l log  e explain  x cancel  r rerun  Space mark  / filter  "
                   "o sort  : command  Tab nodes  ? help  q quit";
    case Screen::kJob:
      return model.columns < 104
                 ? " l log  x cancel  e explain  Esc back  ? help  q quit"
                 : " l log  e explain  d diff  c changes  x cancel  r rerun  a attach  "
                   "s shell  Esc back  ? help  q quit";
    case Screen::kLog:
      return log_keys(model.columns - width_of(log_place(model)) - 3);
    case Screen::kNodes:
      return " Enter its jobs  i in full  t days  Tab queue  Esc back  ? help  q quit";
    case Screen::kQueue:
      return " Enter job  e explain  x cancel  Tab volumes  Esc back  ? help  q quit";
    case Screen::kVolumes:
      return " Enter snapshots  Tab jobs  Esc back  ? help  q quit";
    case Screen::kSnapshots:
      return " d diff  Space mark  y copy  Esc back  ? help  q quit";
    case Screen::kText:
      return " / search  w wrap  Esc back  ? help  q quit";
  }
  return "";
}

void draw_prompt(const Model& model, Canvas& canvas) {
  const int row = canvas.rows() - 1;
  const char* sign = model.prompt.kind == Prompt::Kind::kCommand ? ":" : "/";
  const int x = canvas.put(row, 0, fmt::format(" {}{}▏", sign, model.prompt.text), Style::kBold);
  if (model.prompt.kind != Prompt::Kind::kCommand) return;
  const auto all = completions(model, model.prompt.text);
  const size_t begin = model.prompt.text.rfind(' ') + 1;
  if (all.size() == 1 && all.front() == model.prompt.text.substr(begin)) return;
  canvas.put(row, x + 1, fmt::format("{}", fmt::join(all, "  ")), Style::kDim);
}

void draw_bottom(const Model& model, Canvas& canvas) {
  const int row = canvas.rows() - 1;
  // Why no more of a log comes is worth more than the end of other words.
  const bool log_failed = model.screen == Screen::kLog && !model.log.failure.empty();
  const int room = model.columns - (log_failed ? width_of(log_place(model)) + 3 : 0);
  if (model.question) {
    canvas.put(row, 0, " " + model.question->words, Style::kWarn);
  } else if (model.prompt.kind != Prompt::Kind::kNone) {
    draw_prompt(model, canvas);
  } else if (!model.notice.empty()) {
    canvas.put(row, 0, cut(" " + model.notice, room),
               model.notice_is_bad ? Style::kBad : Style::kWarn);
  } else if (!model.connected && !model.connection_trouble.empty()) {
    canvas.put(row, 0, cut(" " + model.connection_trouble, room), Style::kWarn);
  } else {
    canvas.put(row, 0, keys_of(model), Style::kDim);
  }
}

std::string row_of(const Cursor& cursor, size_t count) {
  return count == 0 ? "" : fmt::format("{}/{}", cursor.row + 1, count);
}

std::string row_of_jobs(const Model& model) {
  const size_t rows = model.list.lines.size();
  if (rows == 0 || model.selected == 0) return "";
  const std::string of_all =
      model.filter.empty() ? ""
                           : fmt::format("  {} of {} jobs", model.list.jobs, model.jobs.size());
  return fmt::format("{}/{}{}", model.jobs_line + 1, rows, of_all);
}

// Returns where in the list or text one is, for the right of the bottom line.
std::string draw_body(const Model& model, Canvas& canvas) {
  switch (model.screen) {
    case Screen::kJobs:
      draw_jobs(model, canvas);
      return row_of_jobs(model);
    case Screen::kJob:
      return draw_job(model, canvas);
    case Screen::kLog:
      draw_log(model, canvas);
      return log_place(model);
    case Screen::kNodes:
      draw_nodes(model, canvas);
      return row_of(model.node_cursor, model.nodes.size());
    case Screen::kQueue:
      draw_queue(model, canvas);
      return row_of(model.queue_cursor, model.queue.size());
    case Screen::kVolumes:
      draw_volumes(model, canvas);
      return row_of(model.volume_cursor, model.volumes.size());
    case Screen::kSnapshots:
      draw_snapshots(model, canvas);
      return row_of(model.snapshot_cursor, model.snapshots.size());
    case Screen::kText:
      return draw_text(model, canvas);
  }
  return "";
}

// Only where the bottom line has room for it.
void put_place(Canvas& canvas, const std::string& place) {
  const int row = canvas.rows() - 1;
  const int at = canvas.columns() - width_of(place) - 1;
  if (place.empty() || at < 2) return;
  for (int x = at - 2; x < canvas.columns(); ++x) {
    if (canvas.at(row, x).glyph != " ") return;
  }
  canvas.put(row, at, place, Style::kDim);
}

}  // namespace

Canvas draw(const Model& model) {
  Canvas canvas(model.rows, model.columns);
  const std::string place = draw_body(model, canvas);
  if (model.showing_help) draw_help(model, canvas);
  draw_title(model, canvas);
  draw_bottom(model, canvas);
  if (model.prompt.kind == Prompt::Kind::kNone && !model.question) put_place(canvas, place);
  return canvas;
}

void draw_help(const Model& model, Canvas& canvas) {
  for (int row = 1; row + 1 < canvas.rows(); ++row)
    canvas.put(row, 0, std::string(static_cast<size_t>(canvas.columns()), ' '), Style::kPlain);
  const std::vector<KeyHelp> all = help_on_screen(model);
  const int room = static_cast<int>(help_rows(model));
  const size_t last = all.size() - std::min(all.size(), help_rows(model));
  const size_t top = std::min(model.help_top, last);
  int row = 2;
  canvas.put(row, 2, last != 0 ? "Keys (j and k: further down and up)" : "Keys", Style::kBold);
  for (size_t i = top; i < all.size() && row < room + 2; ++i) {
    ++row;
    canvas.put(row, 4, all[i].keys, Style::kBold, 17);
    canvas.put(row, kHelpColumn, all[i].does, Style::kPlain);
  }
  canvas.put(std::min(row + 2, canvas.rows() - 2), 2, "Any key closes this.", Style::kDim);
}

std::string without_left(std::string_view text, size_t left) {
  size_t gone = 0;
  while (!text.empty() && gone < left) gone += static_cast<size_t>(take_glyph(text).width);
  return std::string(gone - std::min(gone, left), ' ') + std::string(text);
}

std::string cut(std::string_view text, int columns) {
  if (width_of(text) <= columns) return std::string(text);
  std::string out;
  for (int used = 0; !text.empty();) {
    const Glyph glyph = take_glyph(text);
    used += glyph.width;
    if (used >= columns) break;
    out += glyph.text;
  }
  return columns > 0 ? out + "…" : "";
}

Style style_of(JobState state) {
  switch (state) {
    case JobState::kRunning:
      return Style::kGood;
    case JobState::kStarting:
    case JobState::kSettingUp:
    case JobState::kCompleting:
      return Style::kBusy;
    case JobState::kFailed:
    case JobState::kTimedOut:
    case JobState::kNodeLost:
      return Style::kBad;
    case JobState::kUnreachable:
      return Style::kWarn;
    case JobState::kQueued:
    case JobState::kSucceeded:
    case JobState::kCancelled:
      return Style::kDim;
  }
  return Style::kPlain;
}

std::string age(Time since, Time now) {
  if (since.us == 0) return "";
  const int64_t whole_seconds = std::max<int64_t>(0, (now - since).us) / 1'000'000;
  if (whole_seconds < 60) return fmt::format("{}s", whole_seconds);
  return format_duration(seconds(whole_seconds));
}

// How long ago, to one unit: a list of thousands is not drawn anew for a second.
std::string rough_age(Time since, Time now) {
  const int64_t seconds = std::max<int64_t>(0, (now - since).us) / 1'000'000;
  if (seconds < 60) return "now";
  if (seconds < 3600) return fmt::format("{}m", seconds / 60);
  if (seconds < 48 * 3600) return fmt::format("{}h", seconds / 3600);
  return fmt::format("{}d", seconds / 86'400);
}

std::string nodes_of(const JobRow& job) {
  std::set<std::string> names;
  for (const AttemptRow& attempt : job.attempts) {
    if (!attempt.node.empty()) names.insert(attempt.node);
  }
  if (names.size() > 2) return fmt::format("{} +{}", *names.begin(), names.size() - 1);
  return fmt::format("{}", fmt::join(names, ","));
}

std::string cores_text(uint32_t cpu_milli) {
  const double cores = static_cast<double>(cpu_milli) / 1000;
  return cores < 9.95 ? fmt::format("{:.1f}", cores) : fmt::format("{:.0f}", cores);
}

std::string gpu_text(const JobLoad& load) {
  if (load.gpus == 0) return "";
  if (is_idle(load)) {
    const uint32_t minutes = load.gpu_idle_s / 60;
    return minutes < 60        ? fmt::format("idle {}m", minutes)
           : minutes < 48 * 60 ? fmt::format("idle {}h", minutes / 60)
                               : fmt::format("idle {}d", minutes / 1440);
  }
  return fmt::format("{}%", load.gpu_percent);
}

void put_searched(Canvas& canvas, int row, int column, const std::string& text, Style style,
                  const Pattern& search) {
  canvas.put(row, column, text, style);
  mark_found(canvas, row, column, text, search);
}

void mark_found(Canvas& canvas, int row, int column, const std::string& text,
                const Pattern& search) {
  if (search.empty()) return;
  for (size_t from = 0; from < text.size();) {
    const auto [at, length] = search.find(text, from);
    if (length == 0) return;
    // The style alone: a character keeps its marks though they were not searched for.
    const int x = column + width_of(std::string_view(text).substr(0, at));
    const int wide = width_of(std::string_view(text).substr(0, at + length)) + column - x;
    canvas.paint(row, wide == 0 ? x - 1 : x, std::max(1, wide), Style::kFound);
    from = at + length;
  }
}

}  // namespace devrun::tui
