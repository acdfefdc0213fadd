// The history as the running controller uses it: a thread that moves ended jobs there (core/archive.h has the rules and
// the order), and a few that read from it for whoever asks. The core's thread reads nothing but request ids.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "controller/journal/history.h"
#include "controller/rpc/core_loop.h"
#include "controller/rpc/worker_pool.h"

namespace devrun::controller {

struct ArchiveOptions {
  Duration keep = seconds(400LL * 24 * 3600);  // how long ended jobs are remembered
};

class Archive final : public Recaller {
 public:
  // Made if missing.
  static Result<std::unique_ptr<Archive>> open(const std::string& path,
                                               const ArchiveOptions& options);
  ~Archive() override;
  Archive(const Archive&) = delete;
  Archive& operator=(const Archive&) = delete;

  Duration keeps_for() const { return options_.keep; }
  // Before anything else is done with a replayed state: recalls what live jobs wait for.
  Status recall_dependencies(State& state, Time now);
  // Once the core runs.
  void start(CoreLoop& core);
  // Before the core is stopped: ends what was asked.
  void stop();

  // `work` on a reader's thread. False if too many wait: it will not be done.
  using Work = std::function<void(History& history)>;
  [[nodiscard]] bool read(Work work);
  // Trees that a thread of the caller's wants; it waits.
  Result<std::vector<HistoryTrees>> trees(const std::string& volume, Time ended_since,
                                          size_t jobs_max);

  // ── Recaller ──
  void fetch(std::vector<JobId> jobs, Then then) override;
  Result<std::optional<JobId>> find_request(const std::string& user,
                                            const std::string& request_id) override;

 private:
  Archive(std::string path, const ArchiveOptions& options);
  Status open_all();
  void serve();
  bool archive_some();
  void forget_oldest();
  std::unique_ptr<History> borrow();
  void give_back(std::unique_ptr<History> history);

  const std::string path_;
  const ArchiveOptions options_;
  std::unique_ptr<History> writer_;    // of `thread_`
  std::unique_ptr<History> requests_;  // of the core's thread
  CoreLoop* core_ = nullptr;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool stopping_ = false;
  std::vector<std::unique_ptr<History>> idle_;  // one for each reader
  WorkerPool readers_;
  std::thread thread_;
};

}  // namespace devrun::controller
