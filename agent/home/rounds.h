// The rounds under way, so that a stopping agent can end them: what they were about is told again by the next agent.
#pragma once

#include <map>
#include <mutex>
#include <set>

#include "agent/home/home_call.h"

namespace devrun::home {

class Rounds {
 public:
  explicit Rounds(std::shared_ptr<grpc::Channel> controller) : controller_(std::move(controller)) {}

  // As HomeCall::run. Any thread.
  Result<std::optional<HomeSummary>> run(const Round& round);

  // Nobody waits for what it wrote: a round of it that is under way ends soon with kCancelled, later ones at once; until
  // somebody does. Any thread; idempotent.
  void leave(const AttemptKey& key);
  void wait_again(const AttemptKey& key);
  bool is_left(const AttemptKey& key);

  // All end soon with kCancelled, also later ones. Any thread; idempotent.
  void stop();
  bool stopped();

 private:
  const std::shared_ptr<grpc::Channel> controller_;
  std::mutex mutex_;
  bool stopped_ = false;
  std::map<HomeCall*, AttemptKey> calls_;
  std::set<AttemptKey> left_;  // bounded by the folders of attempts
};

}  // namespace devrun::home
