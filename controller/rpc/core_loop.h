// The thread that owns the State. Inputs are posted from any thread; it takes all that wait, steps each, places what can
// be placed, makes all their events durable in one transaction, and only then performs effects and answers. So the
// slower the disk, the larger the group, and nothing is said that a crash could unsay.
//
// Jobs that have left the ledger are brought back first wherever an input names them, or somebody who reads (archive.h).
//
// A journal that cannot be written ends the program: the state in memory is ahead of what would be found again.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <span>
#include <thread>
#include <variant>

#include "controller/core/step.h"
#include "controller/journal/journal.h"

namespace devrun::controller {

inline constexpr size_t kQueuedInputsMax = 100'000;

// Performs effects; called on the core's thread.
class Edge {
 public:
  virtual ~Edge() = default;
  virtual void perform(const State& state, std::span<const Effect> effects, Time now) = 0;
  virtual void ticked(const State& state, Time now) = 0;  // once a second
};

// Jobs of which the ledger knows nothing any more.
class Recaller {
 public:
  virtual ~Recaller() = default;
  // Those of them that there are, to `then`, on some thread. Does not wait.
  using Then = std::function<void(Result<std::vector<Job>> found)>;
  virtual void fetch(std::vector<JobId> jobs, Then then) = 0;
  // The job of a request; short, on the core's thread.
  virtual Result<std::optional<JobId>> find_request(const std::string& user,
                                                    const std::string& request_id) = 0;
};

class CoreLoop {
 public:
  using Done = std::function<void(const State& state, Time now, const Result<Reply>& reply)>;
  using Look = std::function<void(const State& state, Time now)>;
  // With an error if the jobs could not be read: what is not found then may be there.
  using JobLook = std::function<void(const State& state, Time now, const Status& read)>;

  CoreLoop(State state, Journal& journal, Edge& edge, Recaller& recaller);
  ~CoreLoop();
  CoreLoop(const CoreLoop&) = delete;
  CoreLoop& operator=(const CoreLoop&) = delete;

  // `done` runs on the core's thread once the answer is durable; at once, with an Error, if too many wait.
  void post(Input input, Done done = {});
  // Reads the state, after all that was posted before.
  void read(Look look);
  // The same once find_job has these jobs, if there are such.
  void read_jobs(std::vector<JobId> jobs, JobLook look);
  // On the core's thread, between two batches; short.
  using JournalWork = std::function<void(const State& state, Journal& journal)>;
  void with_journal(JournalWork work);
  // The job that the request made, also one that has left the ledger. Within `done` or a look.
  Result<std::optional<JobId>> find_request(const std::string& user,
                                            const std::string& request_id) const;
  void start();
  // Ends the thread after what was posted has been answered.
  void stop();

 private:
  struct Posted {
    Input input;
    Done done;
    bool recalled = false;  // all that is named has been asked for
  };
  struct Reading {
    std::vector<JobId> jobs;
    JobLook look;
    bool recalled = false;
  };
  struct Keeping {
    JournalWork work;
  };
  using Entry = std::variant<Posted, Look, Reading, Keeping>;
  struct Batch;

  void serve();
  void run_batch(std::deque<Entry> batch, bool tick);
  void take(Posted& posted, Batch& batch);
  void look(Entry& entry, Time now);
  void push(Entry entry);
  // Fetches the jobs and then posts them, and the entry after them.
  void recall_for(std::vector<JobId> jobs, Entry entry);
  void come_back(const Result<std::vector<Job>>& found, Entry& entry);

  State state_;
  Journal& journal_;
  Edge& edge_;
  Recaller& recaller_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Entry> queue_;
  bool ending_ = false;
  std::thread thread_;
};

}  // namespace devrun::controller
