// Collecting what nothing refers to, now and then, on a thread of its own.
#pragma once

#include <atomic>
#include <condition_variable>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "controller/rpc/archive.h"
#include "controller/rpc/core_loop.h"
#include "controller/rpc/output_keeper.h"
#include "controller/rpc/quotas.h"
#include "controller/storage/storage.h"

namespace devrun::controller {

struct CollectOptions {
  storage::Retention snapshots;
  // The snapshots of ended jobs stay as long as both allow.
  Duration jobs_age = seconds(30 * 24 * 3600);
  size_t jobs_count = 10'000;
  Duration interval = seconds(600);
  std::string shared_folder = {};  // see shared_folders.h; empty: there is none
  // How long a job's output is kept after its end (output_keeper.h); 0: for ever. Unset: as long as it is remembered.
  std::optional<Duration> output_age = {};
};

// Those whose snapshots stay, with the trees that stay for them: all jobs that have not ended, and of the ended ones,
// whether they are in memory or in the history (`archived`, newest first), by the rules.
using KeptJobs = std::map<JobId, std::vector<Digest>>;
struct JobsInMemory {
  KeptJobs live;
  KeptJobs ended;  // those that are young enough
  JobId next = 0;
};
JobsInMemory jobs_in_memory(const State& state, const CollectOptions& options, Time now);
KeptJobs kept_jobs(JobsInMemory in_memory, const std::vector<HistoryTrees>& archived,
                   const CollectOptions& options);

class Collecting {
 public:
  Collecting(storage::Storage& storage, CoreLoop& core, Archive& archive, Quotas& quotas,
             const CollectOptions& options);
  ~Collecting() { stop(); }
  Collecting(const Collecting&) = delete;
  Collecting& operator=(const Collecting&) = delete;

  // Once the core runs.
  void start();
  // Ends a collection in progress; before the core is stopped.
  void stop();

 private:
  void serve();
  void collect();
  Status collect_shared_folders();
  // And counts it, for the quotas.
  Status collect_output();
  // And the number of the next job that there will be.
  Result<std::pair<KeptJobs, JobId>> find_kept();

  storage::Storage& storage_;
  CoreLoop& core_;
  Archive& archive_;
  Quotas& quotas_;
  const CollectOptions options_;
  OutputKeeper output_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::atomic<bool> stopping_ = false;
  std::thread thread_;
};

}  // namespace devrun::controller
