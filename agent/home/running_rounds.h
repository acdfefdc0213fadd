// Rounds while programs run: about once a second and attempt the upper is looked through for files that are complete
// (complete_files.h), and what is found is told.
//
// Looking costs at most 0.3 % of a CPU: the larger an upper, the less often (kLookShare); at its end an attempt's last round tells
// all of it. A few threads for all attempts, one round at a time of each.
#pragma once

#include <chrono>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "agent/home/complete_files.h"
#include "agent/home/rounds.h"

namespace devrun::home {

inline constexpr std::chrono::seconds kLookEvery{1};
inline constexpr int kLookShare = 300;  // the pause, in times of what the look took
inline constexpr size_t kRunningThreads = 2;

class RunningRounds {
 public:
  explicit RunningRounds(Rounds& rounds) : rounds_(rounds) {}
  ~RunningRounds() { stop(); }

  void begin();
  // After rounds.stop(). Joins.
  void stop();

  // Any thread, all of these. Of one that is known already: nothing.
  void add(const AttemptKey& key, UpperView view);
  // Waits for a round under way; what is known of its files.
  SentFiles take(const AttemptKey& key);
  // A look at once. False: it is not here.
  bool look_now(const AttemptKey& key);

 private:
  using Clock = std::chrono::steady_clock;
  struct Watched {
    explicit Watched(UpperView where) : view(std::move(where)), complete(sent) {}
    const UpperView view;
    SentFiles sent;
    CompleteFiles complete;
    Clock::time_point look_at;
    bool busy = false;
    int failures = 0;  // in a row
  };

  void run();
  Clock::duration look(const AttemptKey& key, Watched& watched);
  std::map<AttemptKey, std::unique_ptr<Watched>>::iterator next_due();

  Rounds& rounds_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<AttemptKey, std::unique_ptr<Watched>> watched_;
  bool stopped_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace devrun::home
