// The agent's news and signs of life, told until they are answered. What changes while a report is under way is merged and goes with the
// next: the newest state of each attempt is all that counts.
#pragma once

#include <functional>
#include <map>
#include <memory>

#include "agent/sync/backoff.h"
#include "agent/sync/loop.h"
#include "common/model/attempt.h"
#include "common/model/node.h"
#include "devrun/v1/agent.grpc.pb.h"

namespace devrun::agent {

void put_counts(const Counts& counts, devrun::v1::NodeCondition& out);
inline constexpr size_t kAttemptsAtOnceMax = 256;  // in one report

class Reports {
 public:
  // All on the loop's thread, which has been stopped before the end of this object.
  // `answered`: after each answer, when that call was sent (boot_clock()).
  Reports(devrun::v1::Agent::Stub& stub, Loop& loop, uint32_t seed, std::string node,
          std::string instance, std::function<void(Time sent)> answered = {});
  ~Reports();

  void tell(const ObservedAttempt& observed);
  // Of the node as such (NodeCondition.trouble).
  void tell_trouble(const std::string& trouble);
  // What devrun-fs counts (NodeCondition.files); lost with a call that fails, since the next ones are newer.
  void tell_files(const Counts& files);
  // A report even without news, unless one is under way or the controller is known to be away.
  void sign_of_life();
  // A pause under way is over: the controller is back.
  void try_now();

 private:
  struct Call;
  bool has_news() const {
    return !pending_.empty() || trouble_pending_.has_value() || files_pending_.has_value();
  }
  void send();
  void on_answer(const grpc::Status& status);
  void on_refusal(const grpc::Status& status);
  void keep_unanswered();
  void tell_refused_again_later();

  devrun::v1::Agent::Stub& stub_;
  Loop& loop_;
  Backoff backoff_;
  const std::string node_, instance_;
  std::map<AttemptKey, ObservedAttempt> pending_;  // bounded by the attempts of the node
  std::map<AttemptKey, ObservedAttempt> sent_;     // by the call under way
  std::map<AttemptKey, ObservedAttempt> refused_;  // even without their words
  std::optional<std::string> trouble_pending_, trouble_sent_;
  std::optional<Counts> files_pending_;
  uint64_t pause_number_ = 0;
  bool pausing_ = false;
  const std::function<void(Time)> answered_;
  // Halved when the controller refuses what it was told, so that one attempt's news hold up no others.
  size_t at_once_max_ = kAttemptsAtOnceMax;
  std::unique_ptr<Call> call_;
};

}  // namespace devrun::agent
