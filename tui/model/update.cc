// Events other than keys (keys.cc).
#include <fmt/format.h>

#include <algorithm>

#include "tui/model/keys.h"
#include "tui/model/model.h"

namespace devrun::tui {

namespace {

struct Update {
  Model& model;
  std::vector<Command>& commands;

  void operator()(const Key& key) const { press(model, key, commands); }

  void operator()(const Resized& size) const {
    model.rows = size.rows;
    model.columns = size.columns;
  }

  void operator()(const Pushed& pushed) const {
    if (pushed.whole) {
      model.jobs.clear();
      model.nodes.clear();
    }
    for (const JobRow& job : pushed.jobs) model.jobs[job.id] = job;
    for (const NodeRow& node : pushed.nodes) model.nodes[node.name] = node;
    model.now = std::max(model.now, pushed.now);
    model.connected = true;
    model.ever_connected = true;
    model.connection_trouble.clear();
  }

  void operator()(const ConnectionLost& lost) const {
    model.connected = false;
    model.connection_trouble = lost.why;
  }

  void operator()(const LogBytes& log) const {
    if (log.of != model.log.of) return;
    model.log.text.append(log.bytes);
    model.log.ended = log.ended;
    model.log.failure.clear();
  }

  void operator()(const LogFailed& failed) const {
    if (failed.of == model.log.of) model.log.failure = failed.why;
  }

  void operator()(const CancelAnswered& answer) const {
    model.notice = answer.error.empty()
                       ? fmt::format("job {} is being cancelled", answer.job)
                       : fmt::format("job {} was not cancelled: {}", answer.job, answer.error);
  }

  void operator()(const JobFetched& fetched) const {
    if (fetched.job.id == model.selected) model.details = fetched.job;
  }

  // While a job is open and lives, its output grows without a change of its row.
  void operator()(const Ticked& tick) const {
    model.now = std::max(model.now, tick.now);
    if (model.screen != Screen::kJob || model.jobs.count(model.selected) == 0) return;
    const JobRow* details = details_of(model, model.selected);
    if (details == nullptr || !is_final(details->state)) {
      commands.push_back(FetchJob{model.selected});
    }
  }
};

// Keeps the selected job selected, or selects the nearest; keeps it on the screen.
void settle_selection(Model& model) {
  const auto jobs = visible_jobs(model);
  if (jobs.empty()) {
    if (model.screen == Screen::kJobs) model.selected = 0;
    model.jobs_top = 0;
    return;
  }
  auto at = std::find_if(jobs.begin(), jobs.end(),
                         [&](const JobRow* job) { return job->id == model.selected; });
  if (at == jobs.end()) {
    if (model.screen != Screen::kJobs) return;
    at = jobs.begin();
    model.selected = (*at)->id;
  }
  const auto row = static_cast<size_t>(at - jobs.begin());
  const auto room =
      static_cast<size_t>(std::max(1, body_rows(model) - 1));  // less the column heads
  if (row < model.jobs_top) model.jobs_top = row;
  if (row >= model.jobs_top + room) model.jobs_top = row - room + 1;
  if (model.jobs_top + room > jobs.size()) {
    model.jobs_top = jobs.size() > room ? jobs.size() - room : 0;
  }
}

}  // namespace

std::vector<Command> update(Model& model, const Event& event) {
  std::vector<Command> commands;
  std::visit(Update{model, commands}, event);
  settle_selection(model);
  return commands;
}

const JobRow* details_of(const Model& model, JobId job) {
  return model.details && model.details->id == job ? &*model.details : nullptr;
}

int body_rows(const Model& model) {
  return std::max(1, model.rows - 2);
}

size_t log_top(const Model& model) {
  const size_t lines = model.log.text.lines().size();
  const auto room = static_cast<size_t>(body_rows(model));
  const size_t last = lines > room ? lines - room : 0;
  return model.log.follow ? last : std::min(model.log.top, last);
}

}  // namespace devrun::tui
