// How ended jobs leave for the history in the model of the controller (controller.h): rpc/archive.cc, and what
// rpc/core_loop.cc does so that those who ask for such jobs find them. The history itself is a map on the same disk: what has
// been put there survives everything.
#include "controller/core/archive.h"
#include "tests/sim/controller.h"
#include "tests/sim/world.h"

namespace devrun::sim {

using namespace controller;

namespace {
constexpr size_t kTasksAtOnceMax = 20;
}

void Controller::archive_some() {
  if (archiving_) return;
  const std::vector<JobId> due = jobs_to_archive(state_, wall(), kTasksAtOnceMax);
  if (due.empty()) return;
  archiving_ = true;
  std::vector<Job> records;
  for (const JobId id : due) records.push_back(state_.jobs.at(id));
  life_.after(world_.random.spread({100}, disk_pause_most_), [this, records, due] {
    for (const Job& record : records) {
      world_.trace.line("ctrl  the history has job {}", record.id);
      history_[record.id] = record;
    }
    life_.after({world_.random.below(3000)}, [this, due] {
      post(Archived{due}, [this](const Result<Reply>&) { archiving_ = false; });
    });
  });
}

void Controller::recall_for(std::vector<JobId> jobs, Posted posted) {
  world_.trace.count("jobs recalled from the history");
  life_.after(world_.random.spread({100}, milliseconds(20)),
              [this, jobs = std::move(jobs), posted = std::move(posted)]() mutable {
                for (const JobId id : jobs) {
                  const Job* job = in_history(id);
                  if (job != nullptr) queue_.push_back({Recall{*job}, {}, {}, true});
                }
                posted.recalled = true;
                queue_.push_back(std::move(posted));
                wake();
              });
}

const Job* Controller::in_history(JobId job) const {
  const auto it = history_.find(job);
  return it == history_.end() ? nullptr : &it->second;
}

std::optional<JobId> Controller::find_request(const Submit& submit) const {
  const auto known = state_.requests.find({submit.spec.user, submit.request_id});
  if (known != state_.requests.end()) return known->second;
  for (const auto& [id, job] : history_) {
    if (job.spec.user == submit.spec.user && job.request_id == submit.request_id) return id;
  }
  return {};
}

void Controller::step_one(Batch& batch, Posted& posted) {
  if (const auto* submit = std::get_if<Submit>(&posted.input)) {
    const std::optional<JobId> known = find_request(*submit);
    if (known && state_.jobs.count(*known) == 0) {
      world_.trace.count("request of an archived job repeated");
      if (posted.done) batch.answers.emplace_back(std::move(posted.done), Submitted{*known, true});
      return;
    }
  }
  Decision decision = step(state_, posted.input, batch.now);
  if (posted.done) batch.answers.emplace_back(std::move(posted.done), decision.reply);
  take(batch, std::move(decision));
}

std::optional<TaskView> Controller::view_ever(TaskKey task) const {
  if (const auto view = view_task(state_, task, wall())) return view;
  const Job* job = in_history(task.job);
  if (job == nullptr) return {};
  State with;
  with.recalled.jobs[job->id] = {*job, {}};
  return view_task(with, task, wall());
}

}  // namespace devrun::sim
