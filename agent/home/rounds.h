// The rounds under way, so that a stopping agent can end them: what they were about is told again by the next agent.
#pragma once

#include <condition_variable>
#include <mutex>
#include <set>

#include "agent/home/home_call.h"
#include "common/base/time.h"

namespace devrun::home {

class Rounds {
 public:
  explicit Rounds(devrun::v1::Agent::Stub& controller) : controller_(controller) {}

  // As HomeCall::run. Any thread.
  Result<std::optional<HomeSummary>> run(const Round& round);

  // False at once when stopped, else true after that time. Any thread.
  bool pause(Duration time);

  // All that run or pause end soon with kCancelled or false, also later ones. Any thread; idempotent.
  void stop();
  bool stopped();

 private:
  devrun::v1::Agent::Stub& controller_;
  std::mutex mutex_;
  std::condition_variable stop_;
  bool stopped_ = false;
  std::set<HomeCall*> calls_;
};

}  // namespace devrun::home
