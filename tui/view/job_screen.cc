// One job in full.
#include <fmt/format.h>

#include <algorithm>

#include "common/base/units.h"
#include "tui/view/draw.h"

namespace devrun::tui {

namespace {

class Lines {
 public:
  explicit Lines(Canvas& canvas) : canvas_(canvas) {}
  bool room() const { return row_ + 1 < canvas_.rows(); }
  void field(std::string_view name, std::string_view value, Style style = Style::kPlain) {
    if (value.empty() || !room()) return;
    canvas_.put(row_, 2, name, Style::kDim);
    canvas_.put(row_, 14, value, style);
    ++row_;
  }
  void head(std::string_view text) {
    ++row_;
    if (!room()) return;
    canvas_.put(row_++, 2, text, Style::kBold);
  }
  void line(std::string_view text, Style style) {
    if (!room()) return;
    canvas_.put(row_++, 4, text, style);
  }

 private:
  Canvas& canvas_;
  int row_ = 2;
};

std::string request(const JobRow& job) {
  const int64_t milli = job.per_node.cpu_milli;
  std::string out =
      fmt::format("{:g} core{}", static_cast<double>(milli) / 1000, milli == 1000 ? "" : "s");
  if (job.per_node.memory_bytes > 0) out += ", " + format_size(job.per_node.memory_bytes);
  if (job.per_node.gpus > 0)
    out += fmt::format(", {} {} GPU", job.per_node.gpus, job.per_node.gpu_type);
  if (job.ranks > 1) out += fmt::format(", on each of {} nodes", job.ranks);
  return out;
}

void stage(Lines& lines, std::string_view name, Time at, Time from) {
  if (at.us == 0 || from.us == 0) return;
  const double ms = static_cast<double>((at - from).us) / 1000;
  lines.line(fmt::format("{:<14} +{:.1f} ms", name, ms), Style::kPlain);
}

void draw_timeline(Lines& lines, const Timeline& at) {
  lines.head("Start");
  stage(lines, "snapshot", at.snapshot_taken, at.submitted);
  stage(lines, "journaled", at.journaled, at.submitted);
  stage(lines, "placed", at.placed, at.submitted);
  stage(lines, "mounted", at.mounted, at.submitted);
  stage(lines, "started", at.started, at.submitted);
  stage(lines, "first byte", at.first_byte, at.submitted);
}

// States as they were pushed, output as it was fetched; of an array the list has but a few.
std::vector<AttemptRow> attempts_of(const JobRow& job, const JobRow* details) {
  if (details == nullptr) return job.attempts;
  std::vector<AttemptRow> out = job.tasks != 0 ? details->attempts : job.attempts;
  for (AttemptRow& attempt : out) {
    for (const AttemptRow& fetched : details->attempts) {
      if (fetched.key != attempt.key) continue;
      attempt.output_bytes = std::max(attempt.output_bytes, fetched.output_bytes);
    }
  }
  return out;
}

std::string environment(const JobRow& job, const JobRow* details) {
  const std::vector<std::string>& names = details != nullptr ? details->env_names : job.env_names;
  if (details == nullptr && names.empty()) return "…";
  if (names.empty()) return "no variables";
  return fmt::format("{} variable{}: {}", names.size(), names.size() == 1 ? "" : "s",
                     fmt::join(names, " "));
}

void draw_attempts(Lines& lines, const std::vector<AttemptRow>& attempts) {
  if (attempts.empty()) return;
  lines.head("Attempts");
  for (const AttemptRow& attempt : attempts) {
    const std::string text =
        fmt::format("{:<10} {:<10} {:<12} {:>8} output  {}", to_string(attempt.key), attempt.node,
                    state_name(attempt.state), format_size(attempt.output_bytes), attempt.ending);
    lines.line(text, style_of(attempt.state));
  }
}

}  // namespace

void draw_job(const Model& model, Canvas& canvas) {
  const auto found = model.jobs.find(model.selected);
  if (found == model.jobs.end()) {
    canvas.put(2, 2, "This job is no longer in the list.", Style::kDim);
    return;
  }
  const JobRow& job = found->second;
  Lines lines(canvas);
  lines.field("state", state_name(job.state), style_of(job.state));
  lines.field("why", job.reason);
  if (is_final(job.state)) {
    const std::string reason = job.ending.reason.empty() ? "" : ": " + job.ending.reason;
    lines.field("exit", fmt::format("{}{}", job.ending.status, reason));
  }
  lines.field("command", job.command);
  lines.field("name", job.name);
  lines.field("user", job.user);
  lines.field("volume", job.volume);
  lines.field("snapshot", job.snapshot);
  lines.field("folder", job.cwd);
  lines.field("asks for", request(job));
  if (job.tasks != 0) {
    lines.field("tasks", tasks_text(job.id, job.progress, is_final(job.state)),
                job.progress.failed != 0 ? style_of(JobState::kFailed) : Style::kPlain);
  }
  lines.field("submitted", age(job.timeline.submitted, model.now) + " ago");
  const JobRow* details = details_of(model, job.id);
  lines.field("environment", environment(job, details));
  draw_attempts(lines, attempts_of(job, details));
  draw_timeline(lines, job.timeline);
}

}  // namespace devrun::tui
