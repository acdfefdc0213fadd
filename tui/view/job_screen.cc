// One job in full.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <optional>

#include "common/base/units.h"
#include "tui/model/loads.h"
#include "tui/view/draw.h"
#include "tui/view/spark.h"

namespace devrun::tui {

namespace {

constexpr int kSparkWidth = 60;

// Draws below what is scrolled away; counts all.
class Lines {
 public:
  Lines(Canvas& canvas, size_t top) : canvas_(canvas), first_(2 - static_cast<int>(top)) {}
  // With the empty one above the first.
  size_t count() const { return static_cast<size_t>(row_ - first_) + 1; }
  // As many rows as it takes: nowhere else can it be read whole.
  void field(std::string_view name, std::string_view value, Style style = Style::kPlain) {
    if (value.empty()) return;
    if (shown()) canvas_.put(row_, 2, name, Style::kDim);
    wrapped(value, 14, 14, style);
  }
  void head(std::string_view text) {
    ++row_;
    if (shown()) canvas_.put(row_, 2, text, Style::kBold);
    ++row_;
  }
  void line(std::string_view text, Style style) { wrapped(text, 4, 8, style); }
  void spark(std::string_view name, const std::vector<uint8_t>& percents, std::string_view words) {
    if (shown()) {
      const int width = std::clamp(canvas_.columns() - 44, 8, kSparkWidth);
      canvas_.put(row_, 4, name, Style::kDim);
      put_spark(canvas_, row_, 14, percents, width);
      canvas_.put(row_, 15 + width, words, Style::kPlain);
    }
    ++row_;
  }

 private:
  bool shown() const { return row_ >= 1 && row_ + 1 < canvas_.rows(); }
  // Between words where they are not too long for that; further rows begin at `further`.
  void wrapped(std::string_view text, int column, int further, Style style) {
    for (bool first = true; first || !text.empty(); first = false) {
      const int at = first ? column : further;
      const std::string_view row =
          take_words(text, static_cast<size_t>(std::max(8, canvas_.columns() - at)));
      if (shown()) canvas_.put(row_, at, row, style);
      ++row_;
    }
  }

  Canvas& canvas_;
  const int first_;
  int row_ = first_;
};

std::string request(const JobRow& job) {
  const int64_t milli = job.per_node.cpu_milli;
  std::string out =
      fmt::format("{:g} core{}", static_cast<double>(milli) / 1000, milli == 1000 ? "" : "s");
  if (job.per_node.memory_bytes > 0) out += ", " + format_size(job.per_node.memory_bytes);
  if (job.per_node.gpus > 0)
    out += fmt::format(", {} {}GPU{}", job.per_node.gpus,
                       job.per_node.gpu_type.empty() ? "" : job.per_node.gpu_type + " ",
                       job.per_node.gpus == 1 ? "" : "s");
  if (job.ranks > 1) out += fmt::format(", on each of {} nodes", job.ranks);
  if (!job.pool.empty()) out += ", pool " + job.pool;
  if (job.time_limit.us != 0) out += ", at most " + format_duration(job.time_limit);
  if (job.retries != 0)
    out += fmt::format(", {} {}", job.retries, job.retries == 1 ? "retry" : "retries");
  return out;
}

// "12:30:05Z", with the day if that was another.
std::string when_text(Time at, Time now) {
  constexpr int64_t kDayUs = 86'400LL * 1'000'000;
  const auto seconds = static_cast<std::time_t>(at.us / 1'000'000);
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  std::array<char, 32> text{};
  const char* format = at.us / kDayUs == now.us / kDayUs ? "%H:%M:%SZ" : "%Y-%m-%d %H:%M:%SZ";
  return {text.data(), std::strftime(text.data(), text.size(), format, &parts)};
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
  std::vector<AttemptRow> out = details->attempts;
  for (AttemptRow& attempt : out) {
    for (const AttemptRow& pushed : job.attempts) {
      if (pushed.key != attempt.key) continue;
      attempt.output_bytes = std::max(attempt.output_bytes, pushed.output_bytes);
      if (!is_final(attempt.state)) attempt.state = pushed.state;
    }
  }
  for (const AttemptRow& pushed : job.attempts) {
    const bool known = std::ranges::any_of(
        out, [&](const AttemptRow& attempt) { return attempt.key == pushed.key; });
    if (!known) out.push_back(pushed);
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

// When it began, how long it has run or ran, and how long it may.
std::string ran_text(const JobRow& job, Time now) {
  const Timeline& at = job.timeline;
  if (at.started.us == 0) return "";
  if (is_final(job.state)) {
    return at.ended.us == 0
               ? ""
               : fmt::format("{}, for {}", when_text(at.started, now), age(at.started, at.ended));
  }
  std::string out = fmt::format("{}, for {} now", when_text(at.started, now), age(at.started, now));
  if (job.time_limit.us == 0 || job.tasks != 0 || job.state == JobState::kQueued) return out;
  const Time limit = at.started + job.time_limit;
  return out + (limit > now ? fmt::format(", at most {} more", age(now, limit))
                            : ", and past its time limit");
}

std::string used_by(const Model& model, const AttemptRow& attempt) {
  const auto load = model.attempt_loads.find(attempt.key);
  if (load != model.attempt_loads.end() && !is_final(attempt.state)) {
    std::string out = fmt::format("{} cores, {}", cores_text(load->second.cpu_milli),
                                  format_size(load->second.memory_bytes));
    if (load->second.gpus != 0) out += fmt::format(", GPU {}%", load->second.gpu_busy_percent);
    return out + "  ";
  }
  const auto silent = silent_since(model, attempt.node);
  if (silent && !is_final(attempt.state))
    return fmt::format("its node has told nothing for {}  ", age(*silent, model.now));
  if (attempt.usage.cpu.us == 0) return "";
  return fmt::format("{} CPU, {} at most  ", format_duration(attempt.usage.cpu),
                     format_size(attempt.usage.memory_peak_bytes));
}

void draw_attempts(const Model& model, Lines& lines, const std::vector<AttemptRow>& attempts,
                   std::string_view head) {
  if (attempts.empty()) return;
  lines.head(head);
  for (const AttemptRow& attempt : attempts) {
    const std::string gpus =
        attempt.gpus.empty() ? "" : fmt::format("GPU {}  ", fmt::join(attempt.gpus, ","));
    lines.line(
        fmt::format("{:<10} {:<10} {:<12} {:>8} output  {}{}{}", to_string(attempt.key),
                    attempt.node, state_name(attempt.state), format_size(attempt.output_bytes),
                    gpus, used_by(model, attempt), attempt.ending),
        style_of(attempt.state));
  }
}

// Beside the series, what is used at this moment is known to the byte.
std::string memory_text(const Model& model, JobId job, uint32_t last_mib, uint32_t most_mib) {
  const auto load = model.job_loads.find(job);
  const int64_t now =
      load == model.job_loads.end() ? int64_t{last_mib} << 20 : load->second.memory_bytes;
  return fmt::format("{}, {} at most", format_size(now),
                     format_size(std::max(now, int64_t{most_mib} << 20)));
}

uint32_t most(const std::vector<Load>& points, uint32_t Load::*value) {
  return (*std::ranges::max_element(points, {}, value)).*value;
}

// How long ago the series of a job that lives ended, if that is no moment.
std::optional<Duration> silent_for(const Model& model, const JobRow& job,
                                   const LoadSeries& series) {
  const Duration silent = model.now - Time{series.end_us};
  if (is_final(job.state) || silent <= std::max(kToldIsOldAfter, Duration{2 * series.step_us}))
    return std::nullopt;
  return silent;
}

// When its node was last heard of, as everywhere, or else when the series ended.
std::string silence_of(const Model& model, const JobRow& job, const LoadSeries& series) {
  return age(silent_since(model, job).value_or(Time{series.end_us}), model.now);
}

void draw_usage(const Model& model, Lines& lines, const JobRow& row) {
  const JobId job = row.id;
  if (!model.series || model.series->job != job || model.series->series.points.empty()) return;
  const LoadSeries& series = model.series->series;
  // Of what the job asked for, as far as it asked: little of that is a low line.
  const auto asked = [&](int64_t per_node) {
    return static_cast<uint32_t>(std::clamp<int64_t>(per_node * row.ranks, 0, UINT32_MAX));
  };
  const std::optional<Duration> silent = silent_for(model, row, series);
  const size_t gap =
      !silent || series.step_us <= 0
          ? 0
          : std::min<size_t>(kSparkWidth, static_cast<size_t>(silent->us / series.step_us));
  const auto percents = [&](uint32_t Load::*value, uint32_t whole) {
    return in_percent(series.points, value, whole, gap);
  };
  const Load& last = series.points.back();
  const std::string then = silent ? silence_of(model, row, series) + " ago: " : "";
  lines.head(fmt::format(
      "Used over time, a point is {}{}", format_duration({series.step_us}),
      silent ? fmt::format("; nothing told for {}", silence_of(model, row, series)) : ""));
  lines.spark("CPU", percents(&Load::cpu_milli, asked(row.per_node.cpu_milli)),
              fmt::format("{}{} cores, {} at most", then, cores_text(last.cpu_milli),
                          cores_text(most(series.points, &Load::cpu_milli))));
  lines.spark(
      "memory", percents(&Load::memory_mib, asked(row.per_node.memory_bytes >> 20)),
      then + memory_text(model, job, last.memory_mib, most(series.points, &Load::memory_mib)));
  if (series.has_gpus) {
    lines.spark("GPU", percents(&Load::gpu_percent, 100),
                fmt::format("{}{}%", then, last.gpu_percent));
  }
  if (most(series.points, &Load::io_kib_s) != 0) {
    lines.spark("disk", percents(&Load::io_kib_s, 0),
                fmt::format("{}{}/s", then, format_size(int64_t{last.io_kib_s} << 10)));
  }
}

std::string home_text(const JobRow& job) {
  const HomeRow& home = job.home;
  std::vector<std::string> out;
  if (home.files != 0)
    out.push_back(fmt::format("{} file{} came home ({})", home.files, home.files == 1 ? "" : "s",
                              format_size(home.bytes)));
  if (home.conflicts != 0) out.push_back(fmt::format("{} in conflict", home.conflicts));
  if (home.kept != 0) out.push_back(fmt::format("{} kept in the change set", home.kept));
  if (home.failed) out.emplace_back("not all of it could be stored");
  return fmt::format("{}", fmt::join(out, ", "));
}

// Which files somebody has to decide about, and how.
void draw_conflicts(Lines& lines, const JobRow& job) {
  const HomeRow& home = job.home;
  if (home.conflicts == 0) return;
  std::string files = fmt::format("{}", fmt::join(home.conflicting, " "));
  if (home.conflicting.size() < home.conflicts)
    files += fmt::format("{}and {} more", files.empty() ? "" : " ",
                         home.conflicts - home.conflicting.size());
  lines.field("in conflict", files, Style::kWarn);
  lines.field(
      "",
      fmt::format("devrun apply --beside {} takes them home next to the volume's, --over in "
                  "place of those",
                  job.id),
      Style::kDim);
}

std::string labels_text(const JobRow& job) {
  std::vector<std::string> out;
  for (const auto& [key, value] : job.labels) {
    out.push_back(value.empty() ? key : fmt::format("{}={}", key, value));
  }
  return fmt::format("{}", fmt::join(out, " "));
}

// A task that was selected, before what it has from its array.
void draw_task(const Model& model, Lines& lines, std::vector<AttemptRow> attempts,
               const TaskKey& task) {
  std::erase_if(attempts, [&](const AttemptRow& one) { return one.key.task_key() != task; });
  lines.field("task", fmt::format("{}, of the array below", to_string(task)), Style::kBold);
  draw_attempts(model, lines, attempts, fmt::format("Attempts of {}", to_string(task)));
  lines.head(fmt::format("Array {}", task.job));
}

std::string waits_text(const Model& model, const JobRow* details) {
  if (details == nullptr || details->queue_place == 0) return "";
  std::string out = fmt::format("place {} of the queue", details->queue_place);
  if (details->expected_start.us > model.now.us)
    out += fmt::format(", starts within {}", age(model.now, details->expected_start));
  return out;
}

}  // namespace

namespace {

void draw_all(const Model& model, Lines& lines, const JobRow& job) {
  const JobRow* details = details_of(model, job.id);
  const std::optional<TaskKey> of_task = shown_task(model);
  if (of_task) draw_task(model, lines, attempts_of(job, details), *of_task);
  lines.field("state", state_name(job.state), style_of(job.state));
  lines.field("why", job.reason);
  if (!is_final(job.state) && !job.reason.empty()) lines.field("queue", waits_text(model, details));
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
  if (job.priority != 0) lines.field("priority", fmt::format("{}", job.priority));
  lines.field("labels", labels_text(job));
  if (job.tasks != 0) {
    lines.field("tasks", tasks_text(job.id, job.progress, is_final(job.state)),
                job.progress.failed != 0 ? style_of(JobState::kFailed) : Style::kPlain);
  }
  lines.field("results", home_text(job),
              job.home.conflicts != 0 || job.home.failed ? Style::kWarn : Style::kPlain);
  draw_conflicts(lines, details != nullptr ? *details : job);
  lines.field("submitted", fmt::format("{}, {} ago", when_text(job.timeline.submitted, model.now),
                                       age(job.timeline.submitted, model.now)));
  lines.field("started", ran_text(job, model.now));
  if (is_final(job.state) && job.timeline.ended.us != 0) {
    lines.field("ended", fmt::format("{}, {} ago", when_text(job.timeline.ended, model.now),
                                     age(job.timeline.ended, model.now)));
  }
  lines.field("environment", environment(job, details));
  draw_usage(model, lines, job);
  if (!of_task) draw_attempts(model, lines, attempts_of(job, details), "Attempts");
  draw_timeline(lines, job.timeline);
}

}  // namespace

std::string draw_job(const Model& model, Canvas& canvas) {
  const JobRow* found = model.jobs.count(model.selected) != 0 ? &model.jobs.at(model.selected)
                                                              : details_of(model, model.selected);
  if (found == nullptr) {
    canvas.put(2, 2, "This job is no longer in the list.", Style::kDim);
    return "";
  }
  Lines lines(canvas, model.job_top);
  draw_all(model, lines, *found);
  const size_t rows = lines.count();
  canvas.tell_rows_in_all(rows);
  const auto room = static_cast<size_t>(body_rows(model));
  if (rows <= room) return "";
  const size_t last = std::min(model.job_top + room, rows);
  return fmt::format("{}-{}/{}{}", model.job_top + 1, last, rows, last < rows ? "  PgDn" : "");
}

}  // namespace devrun::tui
