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
  int width = 0;  // with the blank after it; 0: what is left
  Style style = Style::kPlain;
};

void put_fields(Canvas& canvas, int row, const std::vector<Field>& fields) {
  int x = 2;
  for (const Field& field : fields) {
    canvas.put(row, x, field.text, field.style,
               field.width == 0 ? canvas.columns() : field.width - 1);
    x += field.width;
  }
}

void put_heads(Canvas& canvas, const std::vector<std::pair<std::string_view, int>>& heads) {
  canvas.paint_row(1, Style::kHead);
  int x = 2;
  for (const auto& [text, width] : heads) {
    canvas.put(1, x, text, Style::kHead);
    x += width;
  }
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

void draw_queue(const Model& model, Canvas& canvas) {
  put_heads(canvas, {{"PLACE", 7}, {"JOB", 9}, {"USER", 10}, {"STARTS", 11}, {"WHY IT WAITS", 0}});
  put_rows(canvas, model.queue, model.queue_cursor, [&](int row, const QueuedJob& one) {
    const auto job = model.jobs.find(one.job);
    const std::string place = one.place == 0 ? "-" : fmt::format("{}", one.place);
    if (one.job == 0) {
      put_fields(canvas, row, {{place, 7, Style::kDim}, {"another user's", 0, Style::kDim}});
      return;
    }
    std::string starts = "?";
    if (one.never) starts = "never";
    if (one.expected_start.us != 0) starts = "in " + age(model.now, one.expected_start);
    put_fields(canvas, row,
               {{place, 7},
                {fmt::format("{}", one.job), 9},
                {job == model.jobs.end() ? "" : job->second.user, 10},
                {starts, 11, one.never ? Style::kBad : Style::kPlain},
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
                     {"FILES", 10},
                     {"SIZE", 10},
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
                {fmt::format("{}", one.files), 10},
                {format_size(one.bytes), 10},
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

void draw_text(const Model& model, Canvas& canvas) {
  const TextView& text = model.text;
  const Pattern search(text.search);
  int row = 1;
  for (size_t i = text.cursor.top; i < text.lines.size() && row + 1 < canvas.rows(); ++i, ++row) {
    std::string line = text.lines[i];
    if (line.ends_with('\n')) line.pop_back();
    for (size_t tab = line.find('\t'); tab != std::string::npos; tab = line.find('\t')) {
      line.replace(tab, 1, std::string(8 - tab % 8, ' '));
    }
    Style style = Style::kPlain;
    if (line.starts_with("A ") || line.starts_with("+")) style = Style::kGood;
    if (line.starts_with("D ") || line.starts_with("-")) style = Style::kBad;
    if (line.starts_with("M ")) style = Style::kBusy;
    put_searched(canvas, row, 1, line, style, search);
  }
  if (text.lines.empty()) canvas.put(2, 2, text.ended ? "Nothing." : "…", Style::kDim);
}

}  // namespace devrun::tui
