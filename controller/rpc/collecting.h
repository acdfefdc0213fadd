// Collecting what nothing refers to, now and then, on a thread of its own.
#pragma once

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <set>
#include <string>
#include <thread>

#include "controller/rpc/core_loop.h"
#include "controller/storage/storage.h"

namespace devrun::controller {

struct CollectOptions {
  storage::Retention snapshots;
  // The snapshots of ended jobs stay as long as both allow.
  Duration jobs_age = seconds(30 * 24 * 3600);
  size_t jobs_count = 10'000;
  Duration interval = seconds(600);
  std::string shared_folder = {};  // see shared_folders.h; empty: there is none
};

// Those whose snapshots stay: all that have not ended, and of the ended ones by the rules.
std::set<JobId> kept_jobs(const State& state, const CollectOptions& options, Time now);

// The trees that are kept for these.
storage::JobTrees trees_of_jobs(const State& state, const CollectOptions& options, Time now);

class Collecting {
 public:
  Collecting(storage::Storage& storage, CoreLoop& core, const CollectOptions& options);
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
  void collect_shared_folders();

  storage::Storage& storage_;
  CoreLoop& core_;
  const CollectOptions options_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::atomic<bool> stopping_ = false;
  std::thread thread_;
};

}  // namespace devrun::controller
