#include "controller/rpc/collecting.h"

#include <algorithm>
#include <future>

#include "common/base/log.h"
#include "controller/rpc/shared_folders.h"

namespace devrun::controller {

std::set<JobId> kept_jobs(const State& state, const CollectOptions& options, Time now) {
  std::set<JobId> out;
  size_t ended = 0;
  for (auto at = state.jobs.rbegin(); at != state.jobs.rend(); ++at) {
    const Job& job = at->second;
    if (job.spec.root.tree.is_zero()) continue;
    if (job.outcome && (++ended > options.jobs_count || job.outcome->at + options.jobs_age < now)) {
      continue;
    }
    out.insert(job.id);
  }
  return out;
}

storage::JobTrees trees_of_jobs(const State& state, const CollectOptions& options, Time now) {
  storage::JobTrees out;
  for (const JobId id : kept_jobs(state, options, now)) {
    const Job& job = state.jobs.at(id);
    out.insert(job.spec.root.tree);
    if (!job.root.is_zero()) out.insert(job.root);
    for (const auto& [index, task] : job.tasks) {
      if (!task.root.is_zero()) out.insert(task.root);
      for (const PastAttempt& past : task.past) {
        if (!past.root.is_zero()) out.insert(past.root);
      }
    }
  }
  return out;
}

Collecting::Collecting(storage::Storage& storage, CoreLoop& core, const CollectOptions& options)
    : storage_(storage), core_(core), options_(options) {}

void Collecting::start() {
  thread_ = std::thread([this] { serve(); });
}

void Collecting::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void Collecting::serve() {
  std::unique_lock lock(mutex_);
  while (!changed_.wait_for(lock, std::chrono::microseconds(options_.interval.us),
                            [this] { return stopping_.load(); })) {
    lock.unlock();
    collect();
    if (!options_.shared_folder.empty()) collect_shared_folders();
    lock.lock();
  }
}

void Collecting::collect_shared_folders() {
  struct Kept {
    std::set<JobId> jobs;
    JobId next = 0;
  };
  auto answer = std::make_shared<std::promise<Kept>>();
  std::future<Kept> found = answer->get_future();
  core_.read([answer, options = options_](const State& state, Time now) {
    answer->set_value({kept_jobs(state, options, now), state.next_job});
  });
  const Kept kept = found.get();
  const Status done = remove_shared_folders(options_.shared_folder, kept.jobs, kept.next);
  if (!done) log::warning("collecting shared folders: {}", done.error().message);
}

void Collecting::collect() {
  storage::CollectRequest request;
  request.retention = options_.snapshots;
  request.stop = &stopping_;
  request.job_trees = [this]() -> Result<storage::JobTrees> {
    auto answer = std::make_shared<std::promise<storage::JobTrees>>();
    std::future<storage::JobTrees> trees = answer->get_future();
    core_.read([answer, options = options_](const State& state, Time now) {
      answer->set_value(trees_of_jobs(state, options, now));
    });
    return trees.get();
  };
  const Result<storage::Collected> done = storage_.collect(request);
  if (!done) {
    if (done.error().code != Code::kCancelled) {
      log::warning("collecting: {}", done.error().message);
    }
    return;
  }
  const bool any =
      done->snapshots + done->volumes + done->manifests + done->packs + done->bodies > 0;
  if (!any) return;
  log::info(
      "collected: {} snapshots, {} volumes, {} manifests, {} packs, {} bodies, {} MB; {} "
      "files may go next time",
      done->snapshots, done->volumes, done->manifests, done->packs, done->bodies,
      done->bytes / 1'000'000, done->candidates);
}

}  // namespace devrun::controller
