// The list of jobs: one row each, and the parts of those that are folded out.
#include <fmt/format.h>

#include <algorithm>

#include "common/base/units.h"
#include "tui/model/columns.h"
#include "tui/model/loads.h"
#include "tui/view/draw.h"

namespace devrun::tui {

namespace {

// What it is called if its command does not say so, how far it is if it is an array, and what it runs.
std::string title(const JobRow& job) {
  std::string out;
  if (job.tasks != 0) {
    out = fmt::format(
        "{}/{}{}  ", job.progress.ended(), job.tasks,
        job.progress.failed == 0 ? "" : fmt::format(", {} failed", job.progress.failed));
  }
  const bool says_name = job.command.find(job.name) != std::string::npos;
  return out + (says_name ? job.command : fmt::format("{}: {}", job.name, job.command));
}

// Why it waits, or how it failed; empty: that is no question.
std::string why_of(const JobRow& job) {
  if (!is_final(job.state)) return job.state == JobState::kRunning ? "" : job.reason;
  if (job.state == JobState::kSucceeded) return "";
  return job.ending.reason.empty() ? fmt::format("exit {}", job.ending.status) : job.ending.reason;
}

// The last column: what runs, and beside it why it does not. Where there is no room for both, each has a part of it.
std::string answer(const JobRow& job, int width) {
  const std::string what = title(job);
  std::string why = why_of(job);
  if (why.empty()) return what;
  why = fmt::format("  ({})", why);
  const int least = width * 2 / 5;
  return cut(what, std::max(least, width - width_of(why))) + why;
}

std::string job_name(const JobRow& job) {
  if (job.tasks != 0) return fmt::format("{}[{}]", job.id, job.tasks);
  if (job.ranks > 1) return fmt::format("{}x{}", job.id, job.ranks);
  return fmt::format("{}", job.id);
}

// How long it has been in the state that matters: waiting, or running, or how long it ran.
std::string how_long(const JobRow& job, Time now) {
  if (is_final(job.state)) {
    return job.timeline.started.us == 0 ? "" : age(job.timeline.started, job.timeline.ended);
  }
  return age(job.timeline.started.us != 0 ? job.timeline.started : job.timeline.submitted, now);
}

std::string home_text(const HomeRow& home) {
  std::string out;
  if (home.files != 0) out = fmt::format("+{}", home.files);
  if (home.conflicts != 0) out += fmt::format(" !{}", home.conflicts);
  if (home.failed) out += " ⚠";
  return out;
}

struct Shown {
  std::string text;
  Style style;
};

Shown gpu_cell(const JobLoad* load, int32_t asked, bool runs, Style plain) {
  if (load != nullptr && load->gpus != 0) {
    if (is_idle(*load)) return {gpu_text(*load), Style::kBad};
    return {gpu_text(*load), heat(load->gpu_percent)};
  }
  return {asked > 0 ? fmt::format("{}{}", asked, runs ? "" : " wanted") : "", plain};
}

// What is used, as far as the nodes tell it: one that is silent leaves a `?`.
Shown used_cell(std::string known, bool of_silent, Style plain) {
  if (!of_silent) return {std::move(known), plain};
  return {known + "?", Style::kWarn};
}

Shown cell_of(const Model& model, const JobRow& job, const Column& column, int width) {
  const Style plain = is_final(job.state) ? Style::kDim : Style::kPlain;
  const auto found = model.job_loads.find(job.id);
  const bool runs = !is_final(job.state) && job.state != JobState::kQueued;
  const JobLoad* load = runs && found != model.job_loads.end() ? &found->second : nullptr;
  const bool silent = runs && std::ranges::any_of(job.attempts, [&](const AttemptRow& attempt) {
                        return is_on_silent_node(model, attempt);
                      });
  switch (column.by) {
    case SortBy::kJob:
      return {job_name(job), plain};
    case SortBy::kState:
      return {std::string(state_name(job.state)), style_of(job.state)};
    case SortBy::kUser:
      return {job.user, plain};
    case SortBy::kVolume:
      return {job.volume, plain};
    case SortBy::kNode:
      return {nodes_of(job), plain};
    case SortBy::kTime:
      return {how_long(job, model.now), plain};
    case SortBy::kCpu:
      return used_cell(load == nullptr ? "" : cores_text(load->cpu_milli), silent, plain);
    case SortBy::kMemory:
      return used_cell(load == nullptr ? "" : format_size(load->memory_bytes), silent, plain);
    case SortBy::kGpu:
      return gpu_cell(load, is_final(job.state) ? 0 : job.per_node.gpus, runs, plain);
    case SortBy::kHome:
      return {home_text(job.home),
              job.home.conflicts != 0 || job.home.failed ? Style::kWarn : plain};
    case SortBy::kAge:
      return {rough_age(job.timeline.submitted, model.now), plain};
    case SortBy::kCommand:
      break;
  }
  return {answer(job, width),
          job.progress.failed != 0 && !is_final(job.state) ? Style::kWarn : plain};
}

// A task or rank that is folded out; under the columns of its job.
Shown cell_of_part(const Model& model, const AttemptRow& part, SortBy by) {
  const auto load = model.attempt_loads.find(part.key);
  const bool used = load != model.attempt_loads.end() && !is_final(part.state);
  const bool silent = is_on_silent_node(model, part);
  switch (by) {
    case SortBy::kJob:
      return {"└ " + (part.key.task != kNoTask ? fmt::format("_{}", part.key.task)
                                               : fmt::format(".{}", part.key.rank)),
              Style::kDim};
    case SortBy::kState:
      return {std::string(state_name(part.state)), style_of(part.state)};
    case SortBy::kNode:
      return {part.node, Style::kDim};
    case SortBy::kTime:
      return {part.started.us == 0
                  ? ""
                  : age(part.started, is_final(part.state) ? part.ended : model.now),
              Style::kDim};
    case SortBy::kCpu:
      return used_cell(used ? cores_text(load->second.cpu_milli) : "", silent, Style::kDim);
    case SortBy::kMemory:
      return used_cell(used ? format_size(load->second.memory_bytes) : "", silent, Style::kDim);
    case SortBy::kGpu:
      return {
          used && load->second.gpus != 0 ? fmt::format("{}%", load->second.gpu_busy_percent) : "",
          used ? heat(load->second.gpu_busy_percent) : Style::kDim};
    case SortBy::kCommand:
      return {
          fmt::format("{}{}", to_string(part.key), part.ending.empty() ? "" : "  " + part.ending),
          Style::kDim};
    default:
      return {"", Style::kDim};
  }
}

const AttemptRow* part_of(const Model& model, const ListLine& line) {
  for (const JobRow* job : {details_of(model, line.job),
                            model.jobs.count(line.job) != 0 ? &model.jobs.at(line.job) : nullptr}) {
    if (job == nullptr) continue;
    for (const AttemptRow& attempt : job->attempts) {
      if (attempt.key == *line.part) return &attempt;
    }
  }
  return nullptr;
}

void draw_row(const Model& model, Canvas& canvas, int row, const ListLine& line,
              const std::vector<Column>& columns) {
  const auto job = model.jobs.find(line.job);
  const AttemptRow* part = line.part ? part_of(model, line) : nullptr;
  if (job == model.jobs.end() || (line.part && part == nullptr)) return;
  if (!line.part) {
    const bool unfolded =
        model.unfolded.count(line.job) != 0 || model.list.opened.count(line.job) != 0;
    const char* sign = model.marked.count(line.job) != 0 ? "●"
                       : !can_unfold(model, line.job)    ? " "
                       : unfolded                        ? "▾"
                                                         : "▸";
    canvas.put(row, 0, sign, Style::kBusy);
    // Somebody has to decide about these files, whether or not there is room for the column that counts them.
    if (job->second.home.conflicts != 0 || job->second.home.failed)
      canvas.put(row, 1, "!", Style::kWarn);
  }
  for (const Column& column : columns) {
    const int width = column.width == 0 ? canvas.columns() - column.at : column.width - 1;
    const Shown shown = part != nullptr ? cell_of_part(model, *part, column.by)
                                        : cell_of(model, job->second, column, width);
    canvas.put(row, column.at, shown.text, shown.style, width);
  }
  if (line.job == model.selected && line.part == model.part) {
    canvas.paint_row(row, Style::kSelected);
  }
}

void draw_heads(const Model& model, Canvas& canvas, const std::vector<Column>& columns) {
  canvas.paint_row(1, Style::kHead);
  for (const Column& column : columns) {
    std::string head(column.title);
    if (column.by == model.list.sort) head += model.list.reversed != goes_up(column.by) ? "↑" : "↓";
    canvas.put(1, column.at, head, Style::kHead,
               column.width == 0 ? canvas.columns() : column.width);
  }
}

}  // namespace

void draw_jobs(const Model& model, Canvas& canvas) {
  const std::vector<Column> columns = job_columns(model);
  draw_heads(model, canvas, columns);
  const auto& lines = model.list.lines;
  const int last = canvas.rows() - 1;
  int row = 2;
  for (size_t i = model.jobs_top; i < lines.size() && row < last; ++i, ++row) {
    draw_row(model, canvas, row, lines[i], columns);
  }
  if (!lines.empty() || !model.ever_connected) return;
  const bool filtered = !model.jobs.empty();
  canvas.put(3, 2,
             filtered ? "No job matches the filter. Esc clears it."
                      : "No jobs. Try: devrun python train.py",
             Style::kDim);
}

}  // namespace devrun::tui
