// The list of jobs: one row each, living ones first.
#include <fmt/format.h>

#include <algorithm>

#include "tui/view/draw.h"

namespace devrun::tui {

namespace {

struct Columns {
  int id = 9;
  int state = 12;
  int user = 9;
  int volume = 11;
  int nodes = 10;
  int age = 8;
};

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

// The last column answers: why it waits, how it ended, or what runs.
std::string answer(const JobRow& job) {
  if (!job.reason.empty() && !is_final(job.state) && job.state != JobState::kRunning)
    return job.reason;
  if (is_final(job.state) && job.state != JobState::kSucceeded) {
    const std::string why =
        job.ending.reason.empty() ? fmt::format("exit {}", job.ending.status) : job.ending.reason;
    return fmt::format("{}  ({})", title(job), why);
  }
  return title(job);
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

void draw_row(Canvas& canvas, int row, const JobRow& job, Time now, bool selected) {
  const Columns wide;
  const Style plain = is_final(job.state) ? Style::kDim : Style::kPlain;
  int x = 1;
  const auto column = [&](const std::string& text, int width, Style style) {
    canvas.put(row, x, text, style, width - 1);
    x += width;
  };
  column(job_name(job), wide.id, plain);
  column(std::string(state_name(job.state)), wide.state, style_of(job.state));
  column(job.user, wide.user, plain);
  column(job.volume, wide.volume, plain);
  column(nodes_of(job), wide.nodes, plain);
  column(how_long(job, now), wide.age, plain);
  canvas.put(row, x, answer(job), plain);
  if (selected) canvas.paint_row(row, Style::kSelected);
}

}  // namespace

void draw_jobs(const Model& model, Canvas& canvas) {
  const Columns wide;
  int x = 1;
  canvas.paint_row(1, Style::kHead);
  const auto head = [&](std::string_view text, int width) {
    canvas.put(1, x, text, Style::kHead);
    x += width;
  };
  head("JOB", wide.id);
  head("STATE", wide.state);
  head("USER", wide.user);
  head("VOLUME", wide.volume);
  head("NODE", wide.nodes);
  head("TIME", wide.age);
  head("COMMAND OR REASON", 1);
  const auto jobs = visible_jobs(model);
  const int last = canvas.rows() - 1;
  int row = 2;
  for (size_t i = model.jobs_top; i < jobs.size() && row < last; ++i, ++row) {
    draw_row(canvas, row, *jobs[i], model.now, jobs[i]->id == model.selected);
  }
  if (!jobs.empty() || !model.ever_connected) return;
  const bool filtered = !model.jobs.empty();
  canvas.put(3, 2,
             filtered ? "No job matches the filter. Esc clears it."
                      : "No jobs. Try: devrun python train.py",
             Style::kDim);
}

}  // namespace devrun::tui
