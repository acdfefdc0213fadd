#include "controller/rpc/archive.h"

#include <chrono>
#include <future>

#include "common/base/check.h"
#include "common/base/log.h"
#include "controller/core/archive.h"
#include "controller/rpc/clock.h"
#include "controller/rpc/job_info.h"

namespace devrun::controller {

namespace {

constexpr size_t kReaders = 2;
constexpr size_t kReadersQueueMax = 10'000;
constexpr auto kEvery = std::chrono::seconds(1);
// Copied on the core's thread at once; one array may have more.
constexpr size_t kTasksAtOnceMax = 5'000;
constexpr size_t kForgottenAtOnceMax = 1'000;
constexpr uint64_t kForgetEveryRounds = 60;

}  // namespace

Archive::Archive(std::string path, const ArchiveOptions& options)
    : path_(std::move(path)), options_(options), readers_(kReaders, kReadersQueueMax) {}

Archive::~Archive() {
  stop();
}

Result<std::unique_ptr<Archive>> Archive::open(const std::string& path,
                                               const ArchiveOptions& options) {
  std::unique_ptr<Archive> archive(new Archive(path, options));
  TRY(archive->open_all());
  return archive;
}

Status Archive::open_all() {
  writer_ = TRY(History::open(path_));
  requests_ = TRY(History::open(path_));
  for (size_t i = 0; i < kReaders; ++i) idle_.push_back(TRY(History::open(path_)));
  return ok();
}

Status Archive::recall_dependencies(State& state, Time now) {
  for (const JobId id : absent_dependencies(state)) {
    std::optional<Job> job = TRY(writer_->find(id));
    if (job) {
      step(state, Recall{std::move(*job)}, now);
    } else {
      log::error("job {}, for which others wait, is not in the history", id);
    }
  }
  return ok();
}

void Archive::start(CoreLoop& core) {
  core_ = &core;
  thread_ = std::thread([this] { serve(); });
}

void Archive::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
  readers_.stop();
}

// ── moving jobs there ──

void Archive::serve() {
  uint64_t rounds = 0;
  std::unique_lock lock(mutex_);
  while (!changed_.wait_for(lock, kEvery, [this] { return stopping_; })) {
    lock.unlock();
    while (archive_some()) continue;
    if (rounds++ % kForgetEveryRounds == 0) forget_oldest();
    lock.lock();
  }
}

// True if there may be more.
bool Archive::archive_some() {
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return false;
  }
  auto answer = std::make_shared<std::promise<std::vector<HistoryEntry>>>();
  std::future<std::vector<HistoryEntry>> due = answer->get_future();
  core_->read([answer](const State& state, Time now) {
    std::vector<HistoryEntry> entries;
    for (const JobId id : jobs_to_archive(state, now, kTasksAtOnceMax)) {
      entries.push_back({state.jobs.at(id), {}});
    }
    answer->set_value(std::move(entries));
  });
  std::vector<HistoryEntry> entries = due.get();
  if (entries.empty()) return false;
  std::vector<JobId> jobs;
  for (HistoryEntry& entry : entries) {
    jobs.push_back(entry.job.id);
    if (entry.job.spec.array.empty()) continue;
    entry.row = job_info({}, entry.job, clock_now(), Detail::kRow).SerializeAsString();
  }
  if (const Status put = writer_->put(entries); !put) {
    log::error("{}; {} ended jobs stay in memory and in the journal", put.error().message,
               jobs.size());
    return false;
  }
  auto done = std::make_shared<std::promise<size_t>>();
  std::future<size_t> left = done->get_future();
  core_->post(Archived{jobs}, [done, jobs](const State& state, Time, const Result<Reply>&) {
    size_t in_ledger = 0;
    for (const JobId job : jobs) in_ledger += state.jobs.count(job);
    done->set_value(in_ledger);
  });
  // Those for which somebody has begun to wait meanwhile are due again later.
  return left.get() == 0;
}

void Archive::forget_oldest() {
  const Time before = clock_now() + Duration{-options_.keep.us};
  while (true) {
    const Result<size_t> removed = writer_->remove_ended_before(before, kForgottenAtOnceMax);
    if (!removed) log::error("{}", removed.error().message);
    if (!removed || *removed < kForgottenAtOnceMax) return;
  }
}

// ── reading ──

std::unique_ptr<History> Archive::borrow() {
  const std::lock_guard lock(mutex_);
  CHECK(!idle_.empty());
  std::unique_ptr<History> out = std::move(idle_.back());
  idle_.pop_back();
  return out;
}

void Archive::give_back(std::unique_ptr<History> history) {
  const std::lock_guard lock(mutex_);
  idle_.push_back(std::move(history));
}

bool Archive::read(Work work) {
  return readers_.run([this, work = std::move(work)] {
    std::unique_ptr<History> history = borrow();
    work(*history);
    give_back(std::move(history));
  });
}

Result<std::vector<HistoryTrees>> Archive::trees(const std::string& volume, Time ended_since,
                                                 size_t jobs_max) {
  auto answer = std::make_shared<std::promise<Result<std::vector<HistoryTrees>>>>();
  auto found = answer->get_future();
  const bool queued = read(
      [=](History& history) { answer->set_value(history.trees(volume, ended_since, jobs_max)); });
  if (!queued) return Error{Code::kExhausted, "too many read the history", "try again"};
  return found.get();
}

void Archive::fetch(std::vector<JobId> jobs, Then then) {
  const bool queued = read([jobs = std::move(jobs), then](History& history) {
    std::vector<Job> found;
    for (const JobId id : jobs) {
      Result<std::optional<Job>> job = history.find(id);
      if (!job) return then(job.error());
      if (*job) found.push_back(std::move(**job));
    }
    then(std::move(found));
  });
  if (!queued) then(Error{Code::kExhausted, "too many read the history", "try again"});
}

Result<std::optional<JobId>> Archive::find_request(const std::string& user,
                                                   const std::string& request_id) {
  return requests_->find_request(user, request_id);
}

}  // namespace devrun::controller
