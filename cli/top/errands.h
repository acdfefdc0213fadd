// Commands of the monitor that take a moment, done one after the other on a thread of their own. What is asked for twice is
// done once; what changes something goes before what only asks.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

#include "tui/model/event.h"

namespace devrun::cli {

inline constexpr size_t kErrandsMax = 1024;  // that wait; more are dropped

class Errands {
 public:
  explicit Errands(std::function<void(const tui::Command&)> run);
  ~Errands() { stop(); }
  Errands(const Errands&) = delete;
  Errands& operator=(const Errands&) = delete;

  void add(const tui::Command& errand);  // any thread
  // What waits is forgotten, and what is under way waited for: whoever stops sees to it that it ends soon.
  void stop();

 private:
  void run_all();

  const std::function<void(const tui::Command&)> run_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<tui::Command> waiting_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace devrun::cli
