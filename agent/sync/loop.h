// A thread with a queue and timers. One loop owns the agent's state; each attempt has another for what may block. gRPC
// and shim threads only post. Once stopped, what is posted is dropped: nothing runs after stop() has returned.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <thread>

#include "common/base/time.h"

namespace devrun::agent {

// The wall clock; with the loop's own timers all that the agent's shell knows of time.
Time wall_now();

class Loop {
 public:
  using Work = std::function<void()>;

  Loop() = default;
  ~Loop() { stop(); }
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  void start();
  // Joins; not from the loop's own thread. Idempotent.
  void stop();

  // Any thread, also before start().
  void post(Work work);
  void post_after(Duration delay, Work work);

 private:
  using Clock = std::chrono::steady_clock;
  void run();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Work> queue_;
  std::multimap<Clock::time_point, Work> timers_;
  bool stopped_ = false;
  std::thread thread_;
};

}  // namespace devrun::agent
