// The thread that owns the State. Inputs are posted from any thread; it takes all that wait, steps each, places what can
// be placed, makes all their events durable in one transaction, and only then performs effects and answers. So the
// slower the disk, the larger the group, and nothing is said that a crash could unsay.
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

class CoreLoop {
 public:
  using Done = std::function<void(const State& state, Time now, const Result<Reply>& reply)>;
  using Look = std::function<void(const State& state, Time now)>;

  CoreLoop(State state, Journal& journal, Edge& edge);
  ~CoreLoop();
  CoreLoop(const CoreLoop&) = delete;
  CoreLoop& operator=(const CoreLoop&) = delete;

  // `done` runs on the core's thread once the answer is durable; at once, with an Error, if too many wait.
  void post(Input input, Done done = {});
  // Reads the state, after all that was posted before.
  void read(Look look);
  void start();
  // Ends the thread after what was posted has been answered.
  void stop();

 private:
  struct Posted {
    Input input;
    Done done;
  };
  using Entry = std::variant<Posted, Look>;

  void serve();
  void run_batch(std::deque<Entry> batch, bool tick);
  void push(Entry entry);

  State state_;
  Journal& journal_;
  Edge& edge_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Entry> queue_;
  bool ending_ = false;
  std::thread thread_;
};

}  // namespace devrun::controller
