// Events other than keys (keys.cc).
#include <fmt/format.h>

#include <algorithm>

#include "tui/model/columns.h"
#include "tui/model/keys.h"
#include "tui/model/loads.h"
#include "tui/model/model.h"

namespace devrun::tui {

namespace {

constexpr size_t kDetailsMax = 64;  // of jobs
constexpr size_t kTextLinesMax = 200'000;
constexpr Duration kQueueEvery = milliseconds(250);
constexpr Duration kCancelToldFor = seconds(5);

void append_lines(TextView& text, const std::string& more) {
  size_t at = 0;
  while (at < more.size()) {
    const size_t end = std::min(more.find('\n', at), more.size());
    const bool goes_on = !text.lines.empty() && !text.lines.back().ends_with('\n');
    std::string line = more.substr(at, end - at) + (end < more.size() ? "\n" : "");
    if (goes_on) {
      text.lines.back() += line;
    } else if (text.lines.size() < kTextLinesMax) {
      text.lines.push_back(std::move(line));
    }
    at = end + 1;
  }
}

// What was said of jobs that are being cancelled, once they have ended or everybody has read it.
void forget_cancelled(Model& model) {
  if (model.being_cancelled.empty()) return;
  const bool ended = std::ranges::all_of(
      model.being_cancelled, [&](const TaskKey& key) { return ended_as(model, key).has_value(); });
  if (ended || model.now >= model.notice_until) say(model, "");
}

struct Update {
  Model& model;
  std::vector<Command>& commands;

  void operator()(const Key& key) const {
    settle(model);  // a key is about what is seen
    press(model, key, commands);
    look_into_arrays();
  }
  void operator()(const Mouse& mouse) const {
    settle(model);
    click(model, mouse, commands);
  }

  void operator()(const Pasted& pasted) const {
    settle(model);
    paste(model, pasted.text);
    look_into_arrays();
  }
  void operator()(const QuestionShown&) const {
    if (model.question) model.question->shown = true;
  }
  void operator()(const JobDrawn& drawn) const {
    model.job_rows = drawn.rows;
    scroll_job(model, 0);
  }

  void operator()(const Resized& size) const {
    model.rows = size.rows;
    model.columns = size.columns;
  }

  void operator()(const Pushed& pushed) const {
    if (pushed.whole) {
      model.jobs.clear();
      model.nodes.clear();
    }
    for (const JobId id : pushed.gone) {
      model.jobs.erase(id);
      model.marked.erase(id);
    }
    for (const std::string& name : pushed.gone_nodes) model.nodes.erase(name);
    for (const JobRow& job : pushed.jobs) {
      JobRow& row = model.jobs[job.id] = job;
      if (row.search.empty()) row.search = search_text(row);
    }
    for (const NodeRow& node : pushed.nodes) model.nodes[node.name] = node;
    const bool rows = pushed.whole || !pushed.jobs.empty() || !pushed.gone.empty();
    if (rows) model.list.stale = true;
    if (rows && model.screen == Screen::kQueue) look_at_queue_again(pushed.now);
    model.now = std::max(model.now, pushed.now);
    if (pushed.whole || !pushed.gone_nodes.empty()) forget_loads(model);
    take_loads(model, pushed.loads);
    if (!pushed.nodes.empty()) look_for_silence(model);
    if (rows) forget_cancelled(model);
    model.connected = true;
    model.ever_connected = true;
    model.connection_trouble.clear();
  }

  void operator()(const ConnectionLost& lost) const {
    model.connected = false;
    model.connection_trouble = lost.why;
  }

  void operator()(const LogBytes& log) const {
    if (log.of != model.log.of || log.reading != model.log.reading) return;
    append(model.log, log.bytes);
    model.log.ended = log.ended;
    model.log.all_here = log.all_here;
    model.log.failure.clear();
    log_has_grown(model, commands);
  }
  void operator()(const LogFailed& failed) const {
    if (failed.of == model.log.of) model.log.failure = failed.why;
  }

  void operator()(const Answered& answer) const {
    std::vector<TaskKey> ending = std::move(model.being_cancelled);
    say(model, answer.words, answer.failed);
    if (!answer.cancelled) return;
    ending.push_back(*answer.cancelled);
    if (ending.size() > 1) model.notice = fmt::format("{} jobs are being cancelled", ending.size());
    model.being_cancelled = std::move(ending);
    model.notice_until = model.now + kCancelToldFor;
  }

  void operator()(const JobFetched& fetched) const {
    if (model.details.size() >= kDetailsMax && model.details.count(fetched.job.id) == 0) {
      model.details.clear();
    }
    model.details[fetched.job.id] = fetched.job;
    if (model.unfolded.count(fetched.job.id) != 0 || !model.filter.empty()) model.list.stale = true;
  }
  void operator()(const SeriesFetched& fetched) const { model.series = fetched; }
  void operator()(const NodeSeriesFetched& fetched) const { take_node_series(model, fetched); }

  void operator()(const QueueFetched& fetched) const {
    model.queue = fetched.rows;
    model.queue_waiting = fetched.waiting;
  }
  void operator()(const VolumesFetched& fetched) const {
    if (fetched.failure.empty()) model.volumes = fetched.rows;
    model.volumes_failure = fetched.failure;
  }
  void operator()(const SnapshotsFetched& fetched) const {
    if (fetched.volume != model.snapshots_of) return;
    if (fetched.failure.empty()) model.snapshots = fetched.rows;
    model.snapshots_failure = fetched.failure;
  }

  void operator()(const TextFetched& fetched) const {
    if (fetched.number != model.text.number) return;
    append_lines(model.text, fetched.text);
    model.text.ended = fetched.ended;
  }

  // What nobody pushes is asked for while it is looked at.
  void operator()(const Ticked& tick) const {
    model.now = std::max(model.now, tick.now);
    look_for_silence(model);
    forget_cancelled(model);
    if (!model.connected) return;
    if (model.screen == Screen::kQueue) commands.push_back(FetchQueue{});
    if (model.screen == Screen::kVolumes) commands.push_back(FetchVolumes{});
    for (const JobId id : model.unfolded) refresh_job(id);
    for (const JobId id : arrays_to_look_into(model)) commands.push_back(FetchJob{id});
    if (model.screen != Screen::kJob || model.jobs.count(model.selected) == 0) return;
    refresh_job(model.selected);
    if (!model.series || model.series->job != model.selected ||
        !is_final(model.jobs.at(model.selected).state)) {
      commands.push_back(FetchSeries{model.selected});
    }
  }

  // A filter that has changed may be about tasks that the list does not carry.
  void look_into_arrays() const {
    if (model.list.filter_text == model.filter) return;
    refresh_list(model);
    for (const JobId id : arrays_to_look_into(model)) commands.push_back(FetchJob{id});
  }

  // What is pushed tells that the queue has changed, not how. At most so often; what comes between waits for the tick.
  void look_at_queue_again(Time now) const {
    if (now - model.queue_asked < kQueueEvery) return;
    model.queue_asked = now;
    commands.push_back(FetchQueue{});
  }

  // While a job is open and lives, its output grows without a change of its row.
  void refresh_job(JobId id) const {
    const JobRow* details = details_of(model, id);
    const auto row = model.jobs.find(id);
    if (row == model.jobs.end()) return;
    if (details == nullptr || !is_final(details->state)) commands.push_back(FetchJob{id});
  }
};

// Keeps the selected job selected, or selects what is in its place; keeps it on the screen.
void settle_selection(Model& model) {
  const size_t count = model.list.lines.size();
  std::optional<size_t> line = selected_line(model);
  if (!line && model.screen == Screen::kJobs) {
    model.part.reset();
    model.selected = 0;
    if (count != 0) select_line(model, std::min(model.jobs_line, count - 1));
    line = selected_line(model);
  }
  if (!line) {
    if (count == 0) model.jobs_top = 0;
    return;
  }
  if (model.part && model.list.lines[*line].part != model.part) {
    model.part = model.list.lines[*line].part;
  }
  model.jobs_line = *line;
  Cursor cursor{*line, model.jobs_top};
  keep_in_sight(cursor, count, list_rows(model));
  model.jobs_top = cursor.top;
}

}  // namespace

void apply(Model& model, const Event& event, std::vector<Command>& commands) {
  std::visit(Update{model, commands}, event);
}

void settle(Model& model) {
  refresh_list(model);
  settle_selection(model);
  const size_t below = node_detail_rows(model);
  keep_in_sight(model.node_cursor, model.nodes.size(),
                std::max<size_t>(1, list_rows(model) - std::min(list_rows(model), below)));
  keep_in_sight(model.queue_cursor, model.queue.size(), list_rows(model));
  keep_in_sight(model.volume_cursor, model.volumes.size(), list_rows(model));
  keep_in_sight(model.snapshot_cursor, model.snapshots.size(), list_rows(model));
  if (model.screen == Screen::kQueue && model.queue_cursor.row < model.queue.size()) {
    model.selected = model.queue[model.queue_cursor.row].job;
    model.part.reset();
  }
}

std::vector<Command> update(Model& model, const Event& event) {
  std::vector<Command> commands;
  apply(model, event, commands);
  settle(model);
  return commands;
}

std::vector<const JobRow*> visible_jobs(const Model& model) {
  std::vector<const JobRow*> out;
  for (const ListLine& line : model.list.lines) {
    const auto job = model.jobs.find(line.job);
    if (!line.part && job != model.jobs.end()) out.push_back(&job->second);
  }
  return out;
}

bool matches(const JobRow& job, const std::string& filter) {
  JobRow row = job;
  if (row.search.empty()) row.search = search_text(row);
  return Filter(filter).matches(row);
}

const JobRow* details_of(const Model& model, JobId job) {
  const auto found = model.details.find(job);
  return found == model.details.end() ? nullptr : &found->second;
}

const JobRow* job_of(const Model& model, JobId job) {
  const auto row = model.jobs.find(job);
  const JobRow* details = details_of(model, job);
  if (row == model.jobs.end()) return details;
  // Details have all attempts; of those that the row has too, the row is newer.
  return details != nullptr && details->attempts.size() > row->second.attempts.size()
             ? details
             : &row->second;
}

std::optional<TaskKey> shown_task(const Model& model) {
  if (!model.part || model.part->task == kNoTask || model.part->job != model.selected) return {};
  return model.part->task_key();
}

bool any_gpus(const Model& model) {
  return std::ranges::any_of(model.nodes,
                             [](const auto& node) { return node.second.total.gpus > 0; });
}

int body_rows(const Model& model) {
  return std::max(1, model.rows - 2);
}

size_t list_rows(const Model& model) {
  return static_cast<size_t>(std::max(1, body_rows(model) - 1));
}

size_t node_detail_rows(const Model& model) {
  if (model.node_cursor.row >= model.nodes.size()) return 0;
  const auto node = std::next(model.nodes.begin(), static_cast<long>(model.node_cursor.row));
  const int most = std::max(0, model.rows / 2 - 2);
  const NodeHistories histories = node_histories(model);
  const int its_own =
      node->second.total.gpus == 0 ? std::min(histories.in_all, kGpuHistory) : histories.in_all;
  const int all =
      2 + std::max(0, its_own - histories.shown) + static_cast<int>(node->second.gpus.size());
  const int lines = std::min(all, most);
  return lines < 2 ? 0 : static_cast<size_t>(lines);
}

void keep_in_sight(Cursor& cursor, size_t count, size_t room) {
  if (count == 0) {
    cursor = {};
    return;
  }
  cursor.row = std::min(cursor.row, count - 1);
  if (cursor.row < cursor.top) cursor.top = cursor.row;
  if (cursor.row >= cursor.top + room) cursor.top = cursor.row - room + 1;
  if (cursor.top + room > count) cursor.top = count > room ? count - room : 0;
}

}  // namespace devrun::tui
