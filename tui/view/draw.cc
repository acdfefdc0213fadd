// The frame of every screen: the title line above, keys or a question below, overlays.
#include "tui/view/draw.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "common/base/units.h"
#include "tui/model/keys.h"

namespace devrun::tui {

namespace {

size_t count_jobs(const Model& model, JobState state) {
  return static_cast<size_t>(
      std::count_if(model.jobs.begin(), model.jobs.end(),
                    [&](const auto& entry) { return entry.second.state == state; }));
}

void draw_title(const Model& model, Canvas& canvas) {
  canvas.paint_row(0, Style::kTitle);
  std::string where = "jobs";
  if (model.screen == Screen::kJob) where = fmt::format("job {}", model.selected);
  if (model.screen == Screen::kLog) where = fmt::format("log of {}", to_string(model.log.of));
  int x = canvas.put(0, 0, fmt::format(" devrun  {}", where), Style::kTitle);
  const auto connected =
      static_cast<size_t>(std::count_if(model.nodes.begin(), model.nodes.end(),
                                        [](const auto& entry) { return entry.second.connected; }));
  std::string right =
      fmt::format("{} running  {} queued  {}/{} nodes ", count_jobs(model, JobState::kRunning),
                  count_jobs(model, JobState::kQueued), connected, model.nodes.size());
  Style style = Style::kTitle;
  if (!model.connected) {
    right = model.ever_connected ? "controller away, state may be old " : "connecting… ";
    style = Style::kWarn;
  }
  const int at = canvas.columns() - width_of(right);
  if (at > x) canvas.put(0, at, right, style);
}

void draw_bottom(const Model& model, Canvas& canvas) {
  const int row = canvas.rows() - 1;
  if (model.confirming_cancel) {
    const std::string question = fmt::format(
        " Cancel job {}? y to cancel it, any other key to keep it", *model.confirming_cancel);
    canvas.put(row, 0, question, Style::kWarn);
  } else if (model.editing_filter) {
    canvas.put(row, 0, fmt::format(" /{}{}", model.filter, model.ascii ? "_" : "▏"), Style::kBold);
  } else if (!model.notice.empty()) {
    canvas.put(row, 0, " " + model.notice, Style::kWarn);
  } else if (!model.connected && !model.connection_trouble.empty()) {
    canvas.put(row, 0, " " + model.connection_trouble, Style::kWarn);
  } else {
    std::string keys = " Enter job  l log  x cancel  / filter  ? help  q quit";
    if (model.screen == Screen::kJob) keys = " l log  x cancel  Esc back  ? help  q quit";
    if (model.screen == Screen::kLog) keys = " f follow  G end  Esc back  ? help  q quit";
    if (model.screen == Screen::kJobs && !model.filter.empty())
      keys = fmt::format(" /{}  Esc clears it", model.filter);
    canvas.put(row, 0, keys, Style::kDim);
  }
}

}  // namespace

Canvas draw(const Model& model) {
  Canvas canvas(model.rows, model.columns);
  if (model.screen == Screen::kJobs) draw_jobs(model, canvas);
  if (model.screen == Screen::kJob) draw_job(model, canvas);
  if (model.screen == Screen::kLog) draw_log(model, canvas);
  if (model.showing_help) draw_help(model, canvas);
  draw_title(model, canvas);
  draw_bottom(model, canvas);
  return canvas;
}

void draw_help(const Model& model, Canvas& canvas) {
  for (int row = 1; row + 1 < canvas.rows(); ++row)
    canvas.put(row, 0, std::string(static_cast<size_t>(canvas.columns()), ' '), Style::kPlain);
  int row = 2;
  canvas.put(row, 2, "Keys", Style::kBold);
  for (const KeyHelp& help : key_help(model.screen)) {
    ++row;
    canvas.put(row, 4, help.keys, Style::kBold, 14);
    canvas.put(row, 19, help.does, Style::kPlain);
  }
  canvas.put(row + 2, 2, "Any key closes this.", Style::kDim);
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

std::string nodes_of(const JobRow& job) {
  std::set<std::string> names;
  for (const AttemptRow& attempt : job.attempts) {
    if (!attempt.node.empty()) names.insert(attempt.node);
  }
  if (names.size() > 2) return fmt::format("{} +{}", *names.begin(), names.size() - 1);
  return fmt::format("{}", fmt::join(names, ","));
}

}  // namespace devrun::tui
