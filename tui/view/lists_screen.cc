// Lists of the queue, of volumes, of snapshots; and texts.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "common/base/units.h"
#include "tui/view/draw.h"

namespace devrun::tui {

namespace {

struct Field {
  std::string text;
  int width =
      0;  // with the blank after it; 0: what is left if it is the last, else there is no such column
  Style style = Style::kPlain;
};

void put_fields(Canvas& canvas, int row, const std::vector<Field>& fields) {
  int x = 2;
  for (const Field& field : fields) {
    if (field.width != 0) canvas.put(row, x, field.text, field.style, field.width - 1);
    x += field.width;
  }
  if (!fields.empty() && fields.back().width == 0)
    canvas.put(row, x, fields.back().text, fields.back().style);
}

void put_heads(Canvas& canvas, const std::vector<std::pair<std::string_view, int>>& heads) {
  canvas.paint_row(1, Style::kHead);
  int x = 2;
  for (const auto& [text, width] : heads) {
    if (width != 0) canvas.put(1, x, text, Style::kHead);
    x += width;
  }
  canvas.put(1, x, heads.back().first, Style::kHead);
}

// Rows of a list from its cursor's top on.
template <typename Rows, typename Draw>
void put_rows(Canvas& canvas, const Rows& rows, const Cursor& cursor, Draw draw_one) {
  int row = 2;
  for (size_t i = cursor.top; i < rows.size() && row + 1 < canvas.rows(); ++i, ++row) {
    draw_one(row, rows[i]);
    if (i == cursor.row) canvas.paint_row(row, Style::kSelected);
  }
}

std::string when(Time at, Time now) {
  return at.us == 0 ? "" : age(at, now) + " ago";
}

}  // namespace

namespace {

// What a list of the queue has room for; the reason has the rest.
struct QueueWidths {
  int user, priority, name;
};
QueueWidths queue_widths(int columns) {
  if (columns >= 130) return {10, 6, 26};
  if (columns >= 100) return {10, 6, 16};
  return {0, 0, 13};
}

std::string starts_text(const QueuedJob& one, Time now) {
  if (one.expected_start.us != 0) return "in " + age(now, one.expected_start);
  return one.never ? "never" : "?";
}

// The name, and where there is room for it, what the job runs.
std::string queued_name(const JobRow& job, int width) {
  if (job.command.starts_with(job.name) && width_of(job.command) < width) return job.command;
  return job.name.empty() ? job.command : job.name;
}

}  // namespace

void draw_queue(const Model& model, Canvas& canvas) {
  const QueueWidths widths = queue_widths(canvas.columns());
  put_heads(canvas, {{"PLACE", 6},
                     {"JOB", 8},
                     {"NAME", widths.name},
                     {"USER", widths.user},
                     {"PRIO", widths.priority},
                     {"WAITED", 8},
                     {"STARTS", 10},
                     {"WHY IT WAITS", 0}});
  put_rows(canvas, model.queue, model.queue_cursor, [&](int row, const QueuedJob& one) {
    const auto job = model.jobs.find(one.job);
    const bool known = job != model.jobs.end();
    const std::string place = one.place == 0 ? "-" : fmt::format("{}", one.place);
    if (one.job == 0) {
      put_fields(canvas, row, {{place, 6, Style::kDim}, {"another user's", 0, Style::kDim}});
      return;
    }
    put_fields(canvas, row,
               {{place, 6},
                {fmt::format("{}", one.job), 8},
                {known ? queued_name(job->second, widths.name) : "", widths.name},
                {known ? job->second.user : "", widths.user},
                {fmt::format("{}", one.priority), widths.priority},
                {known ? age(job->second.timeline.submitted, model.now) : "", 8},
                {starts_text(one, model.now), 10, one.never ? Style::kBad : Style::kPlain},
                {one.reason, 0}});
  });
  if (model.queue.empty()) canvas.put(3, 2, "Nothing waits.", Style::kDim);
  if (model.queue.size() < model.queue_waiting) {
    const int last = canvas.rows() - 2;
    canvas.put(last, 2,
               fmt::format("{} wait in all, the first {} are here", model.queue_waiting,
                           model.queue.size()),
               Style::kDim);
  }
}

void draw_volumes(const Model& model, Canvas& canvas) {
  put_heads(canvas, {{"VOLUME", 20},
                     {"OWNER", 10},
                     {"FILES", 9},
                     {"SIZE", 9},
                     {"SNAPSHOTS", 11},
                     {"NEWEST", 12},
                     {"JOBS", 0}});
  put_rows(canvas, model.volumes, model.volume_cursor, [&](int row, const VolumeRow& one) {
    const auto jobs = std::ranges::count_if(model.jobs, [&](const auto& job) {
      return job.second.volume == one.name && !is_final(job.second.state);
    });
    put_fields(canvas, row,
               {{one.name, 20},
                {one.owner, 10},
                {fmt::format("{}", one.files), 9},
                {format_size(one.bytes), 9},
                {fmt::format("{}", one.snapshots), 11},
                {when(one.newest, model.now), 12},
                {one.damage.empty() ? (jobs == 0 ? "" : fmt::format("{} live", jobs)) : one.damage,
                 0, one.damage.empty() ? Style::kPlain : Style::kBad}});
  });
  if (!model.volumes.empty()) return;
  canvas.put(3, 2, model.volumes_failure.empty() ? "…" : model.volumes_failure, Style::kDim);
}

void draw_snapshots(const Model& model, Canvas& canvas) {
  put_heads(canvas, {{"NO", 7},
                     {"TAKEN", 12},
                     {"FILES", 10},
                     {"SIZE", 10},
                     {"CHANGED", 10},
                     {"TREE", 14},
                     {"MESSAGE OR JOBS", 0}});
  put_rows(canvas, model.snapshots, model.snapshot_cursor, [&](int row, const SnapshotRow& one) {
    const bool marked = model.snapshot_mark == one.number;
    std::string about = one.message;
    if (about.empty() && !one.jobs.empty())
      about = fmt::format("job{} {}", one.jobs.size() == 1 ? "" : "s", fmt::join(one.jobs, ", "));
    if (one.pinned) about += about.empty() ? "kept" : "  (kept)";
    put_fields(canvas, row,
               {{fmt::format("{}", one.number), 7},
                {when(one.taken, model.now), 12},
                {fmt::format("{}", one.files), 10},
                {format_size(one.bytes), 10},
                {format_size(one.changed_bytes), 10},
                {one.tree, 14, Style::kDim},
                {about, 0}});
    if (marked) canvas.put(row, 0, "●", Style::kBusy);
  });
  if (!model.snapshots.empty()) return;
  canvas.put(3, 2, model.snapshots_failure.empty() ? "…" : model.snapshots_failure, Style::kDim);
}

std::string draw_text(const Model& model, Canvas& canvas) {
  const TextView& text = model.text;
  const Pattern search(text.search);
  const auto columns = static_cast<size_t>(std::max(1, canvas.columns() - 1));
  int row = 1;
  size_t last = text.cursor.top;
  for (size_t i = last; i < text.lines.size() && row + 1 < canvas.rows(); ++i, ++last) {
    std::string line = text.lines[i];
    if (line.ends_with('\n')) line.pop_back();
    for (size_t tab = line.find('\t'); tab != std::string::npos; tab = line.find('\t')) {
      line.replace(tab, 1, std::string(8 - tab % 8, ' '));
    }
    Style style = Style::kPlain;
    if (line.starts_with("A ") || line.starts_with("+")) style = Style::kGood;
    if (line.starts_with("D ") || line.starts_with("-")) style = Style::kBad;
    if (line.starts_with("M ")) style = Style::kBusy;
    if (!text.wrap) {
      put_searched(canvas, row++, 1, without_left(line, text.left), style, search);
      continue;
    }
    std::string_view rest = line;
    do {
      put_searched(canvas, row++, 1, std::string(take_words(rest, columns)), style, search);
    } while (!rest.empty() && row + 1 < canvas.rows());
  }
  if (text.lines.empty()) {
    canvas.put(2, 2, text.ended ? "Nothing." : "…", Style::kDim);
    return "";
  }
  return fmt::format("{}-{}/{}{}", text.cursor.top + 1, last, text.lines.size(),
                     text.ended ? "" : "…");
}

}  // namespace devrun::tui
