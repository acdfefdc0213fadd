#include "controller/rpc/collecting.h"

#include <algorithm>
#include <future>
#include <utility>

#include "common/base/log.h"
#include "controller/rpc/ask_core.h"
#include "controller/rpc/clock.h"
#include "controller/rpc/shared_folders.h"

namespace devrun::controller {

namespace {

constexpr auto kFirstCountAfter = std::chrono::microseconds(std::chrono::seconds(5));

std::vector<Digest> trees_of(const Job& job) {
  std::vector<Digest> out{job.spec.root.tree};
  if (!job.root.is_zero()) out.push_back(job.root);
  if (job.setup) out.push_back(job.setup->plain);
  if (const Digest tree = volume_tree_of(job); !tree.is_zero()) out.push_back(tree);
  for (const auto& [index, task] : job.tasks) {
    if (!task.root.is_zero()) out.push_back(task.root);
    for (const PastAttempt& past : task.past) {
      if (!past.root.is_zero()) out.push_back(past.root);
    }
  }
  return out;
}

}  // namespace

JobsInMemory jobs_in_memory(const State& state, const CollectOptions& options, Time now) {
  JobsInMemory out;
  out.next = state.next_job;
  for (const auto& [id, job] : state.jobs) {
    if (job.spec.root.tree.is_zero()) continue;
    if (!job.outcome) {
      out.live[id] = trees_of(job);
    } else if (job.outcome->at + options.jobs_age >= now) {
      out.ended[id] = trees_of(job);
    }
  }
  return out;
}

KeptJobs kept_jobs(JobsInMemory in_memory, const std::vector<HistoryTrees>& archived,
                   const CollectOptions& options) {
  KeptJobs& ended = in_memory.ended;
  for (const HistoryTrees& one : archived) {
    if (!one.trees.empty() && !one.trees.front().is_zero()) ended.try_emplace(one.job, one.trees);
  }
  while (ended.size() > options.jobs_count) ended.erase(ended.begin());
  KeptJobs out = std::move(in_memory.live);
  out.merge(ended);
  return out;
}

Collecting::Collecting(storage::Storage& storage, CoreLoop& core, Archive& archive, Quotas& quotas,
                       const CollectOptions& options)
    : storage_(storage),
      core_(core),
      archive_(archive),
      quotas_(quotas),
      options_(options),
      output_(storage.jobs_path(), options.output_age.value_or(archive.keeps_for()),
              options.jobs_age) {}

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
  // Quotas count from the beginning.
  auto wait = std::min(std::chrono::microseconds(options_.interval.us), kFirstCountAfter);
  bool is_first = true;
  while (!changed_.wait_for(lock, wait, [this] { return stopping_.load(); })) {
    lock.unlock();
    if (const Status done = collect_output(); !done && done.error().code != Code::kCancelled) {
      log::warning("looking through the output of jobs: {}", done.error().message);
    }
    wait = std::chrono::microseconds(options_.interval.us);
    if (std::exchange(is_first, false) && wait > kFirstCountAfter) {
      lock.lock();
      continue;
    }
    collect();
    if (!options_.shared_folder.empty()) {
      const Status done = collect_shared_folders();
      if (!done) log::warning("collecting shared folders: {}", done.error().message);
    }
    lock.lock();
  }
}

// The ledger before the history: what moves meanwhile is then in one of the two.
Result<std::pair<KeptJobs, JobId>> Collecting::find_kept() {
  struct InMemory {
    JobsInMemory jobs;
    Time now;
  };
  InMemory in_memory = ask_core(core_, [&options = options_](const State& state, Time now) {
    return InMemory{jobs_in_memory(state, options, now), now};
  });
  const Time since = in_memory.now + Duration{-options_.jobs_age.us};
  const auto archived = TRY(archive_.trees({}, since, options_.jobs_count));
  const JobId next = in_memory.jobs.next;
  return std::pair(kept_jobs(std::move(in_memory.jobs), archived, options_), next);
}

Status Collecting::collect_shared_folders() {
  const auto [jobs, next] = TRY(find_kept());
  std::set<JobId> kept;
  for (const auto& [id, trees] : jobs) kept.insert(id);
  return remove_shared_folders(options_.shared_folder, kept, next,
                               clock_now() + Duration{-options_.jobs_age.us});
}

// The ledger before the history, as above.
Status Collecting::collect_output() {
  struct InMemory {
    OutputKeeper::Owners owners;
    JobId next = 0;
    Time now;
  };
  InMemory known = ask_core(core_, [](const State& state, Time now) {
    InMemory out{{}, state.next_job, now};
    for (const auto& [id, job] : state.jobs) out.owners[id] = {job.spec.user, {}};
    return out;
  });
  auto read = std::make_shared<std::promise<Status>>();
  std::future<Status> done = read->get_future();
  const bool queued = archive_.read([read, &known](History& history) {
    read->set_value(history.owners([&known](JobId job, std::string_view user, Time ended) {
      known.owners.try_emplace(job, std::string(user), ended);
    }));
  });
  if (!queued) return Error{Code::kExhausted, "too many read the history", {}};
  TRY(done.get());
  OutputKeeper::Passed passed = TRY(output_.pass(known.owners, known.next, known.now, stopping_));
  if (passed.removed > 0) log::info("the output of {} jobs has gone, by its age", passed.removed);
  quotas_.set_output(std::move(passed.bytes));
  return ok();
}

void Collecting::collect() {
  storage::CollectRequest request;
  request.retention = options_.snapshots;
  request.stop = &stopping_;
  request.job_trees = [this]() -> Result<storage::JobTrees> {
    const KeptJobs kept = TRY(find_kept()).first;
    storage::JobTrees out;
    for (const auto& [id, trees] : kept) out.insert(trees.begin(), trees.end());
    return out;
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
