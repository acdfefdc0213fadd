// The agent's news, told until they are answered. What changes while a report is under way is merged and goes with the
// next: the newest state of each attempt is all that counts.
#pragma once

#include <map>
#include <memory>

#include "agent/sync/backoff.h"
#include "agent/sync/loop.h"
#include "common/model/attempt.h"
#include "common/model/node.h"
#include "devrun/v1/agent.grpc.pb.h"

namespace devrun::agent {

void put_counts(const Counts& counts, devrun::v1::NodeCondition& out);

class Reports {
 public:
  // All on the loop's thread, which has been stopped before the end of this object.
  Reports(devrun::v1::Agent::Stub& stub, Loop& loop, uint32_t seed, std::string node,
          std::string instance);
  ~Reports();

  void tell(const ObservedAttempt& observed);
  // Of the node as such (NodeCondition.trouble).
  void tell_trouble(const std::string& trouble);
  // What devrun-fs counts (NodeCondition.files); lost with a call that fails, since the next ones are newer.
  void tell_files(const Counts& files);
  // A pause under way is over: the controller is back.
  void try_now();

 private:
  struct Call;
  bool has_news() const {
    return !pending_.empty() || trouble_pending_.has_value() || files_pending_.has_value();
  }
  void send();
  void on_answer(const grpc::Status& status);

  devrun::v1::Agent::Stub& stub_;
  Loop& loop_;
  Backoff backoff_;
  const std::string node_, instance_;
  std::map<AttemptKey, ObservedAttempt> pending_;  // bounded by the attempts of the node
  std::map<AttemptKey, ObservedAttempt> sent_;     // by the call under way
  std::optional<std::string> trouble_pending_, trouble_sent_;
  std::optional<Counts> files_pending_;
  uint64_t pause_number_ = 0;
  bool pausing_ = false;
  std::unique_ptr<Call> call_;
};

}  // namespace devrun::agent
