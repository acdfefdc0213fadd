// The last round of each attempt, which tells the whole of its upper: what it wrote is never dropped unless this has been answered.
//
//   finish   once the program has ended, before its end is told: until the controller has it, or says why not
//   owe      of an attempt that is over for the controller, or whose last round failed: now and then, for as long as its upper
//            is kept, which is until it is settled (sandboxes.h)
//   leave    nobody waits for it any more: the round under way ends, and another is made only for somebody who asks
//
// Never two at once of one attempt.
#pragma once

#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <thread>

#include "agent/home/rounds.h"
#include "agent/sandbox/sandboxes.h"

namespace devrun::home {

inline constexpr size_t kFinalRoundsAtOnceMax = 8;

class FinalRounds {
 public:
  FinalRounds(Rounds& rounds, sandbox::WrittenPlaces& places) : rounds_(rounds), places_(places) {}
  ~FinalRounds() { stop(); }

  void begin();
  // After rounds.stop(). Joins.
  void stop();

  // None: nothing of it was to be stored, or the agent stops. Waits for a controller that is away. Blocking; any thread.
  std::optional<HomeSummary> finish(const AttemptKey& key, SentFiles sent);
  // Any thread; idempotent. `asked`: by somebody who waits, also for what was left.
  void owe(const AttemptKey& key, bool asked = false);
  // Any thread; idempotent, and durable: also before finish() of it.
  void leave(const AttemptKey& key);

 private:
  using Clock = std::chrono::steady_clock;
  struct Owed {
    Clock::time_point again_at;
    int tries = 0;
    bool asked = false;
  };
  class Turn;

  Result<std::optional<HomeSummary>> round(const AttemptKey& key,
                                           const sandbox::WrittenPlace& place, SentFiles& sent);
  void settle(const AttemptKey& key);
  void run();
  std::optional<Duration> pay(const AttemptKey& key, const Owed& owed);
  bool pause(const AttemptKey& key, Duration time);

  Rounds& rounds_;
  sandbox::WrittenPlaces& places_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::set<AttemptKey> under_way_;
  std::map<AttemptKey, Owed> owed_;  // bounded by the folders of attempts
  bool stopped_ = false;
  std::thread thread_;
};

}  // namespace devrun::home
