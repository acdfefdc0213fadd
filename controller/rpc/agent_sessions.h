// The held Synchronize calls, one per node, and the edge that turns the core's effects into messages on them. A call's
// first message is the whole of what should be on the node; later ones say what changed.
#pragma once

#include <grpcpp/grpcpp.h>

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>

#include "common/runtime/seal.h"
#include "controller/access/accounts.h"
#include "controller/core/view.h"
#include "controller/rpc/attendance.h"
#include "controller/rpc/core_loop.h"
#include "controller/rpc/stream_hub.h"
#include "controller/rpc/watch_call.h"
#include "controller/storage/storage.h"
#include "devrun/v1/agent.grpc.pb.h"

namespace devrun::controller {

namespace pb = devrun::v1;

inline constexpr size_t kDesiredQueueMax = 1024;  // messages that an agent has not read

class DesiredStream final : public grpc::ServerWriteReactor<pb::DesiredState> {
 public:
  // `gone` is called once, when the call is over.
  explicit DesiredStream(std::function<void()> gone) : gone_(std::move(gone)) {}

  void hold(std::shared_ptr<DesiredStream> self) { self_ = std::move(self); }
  void send(pb::DesiredState message);
  void close(const grpc::Status& status);
  // Core's thread: the attempts whose spec has been sent, or was not needed.
  std::set<AttemptKey>& named() { return named_; }

  void OnWriteDone(bool done) override;
  void OnCancel() override { close({grpc::StatusCode::CANCELLED, "the agent has gone"}); }
  void OnDone() override;

 private:
  void pump();

  const std::function<void()> gone_;
  std::shared_ptr<DesiredStream> self_;  // until OnDone
  std::set<AttemptKey> named_;
  std::mutex mutex_;
  std::deque<pb::DesiredState> queue_;
  uint64_t generation_ = 0;
  bool writing_ = false;
  bool closed_ = false;
};

// Core's thread.
class AgentSessions {
 public:
  // `end` has a job end that may not have its live folders any more, and must not block.
  using End = std::function<void(JobId, const std::string& why)>;
  AgentSessions(const Sealer& sealer, const Accounts& accounts, storage::Storage& storage, End end)
      : sealer_(sealer), accounts_(accounts), storage_(storage), end_(std::move(end)) {}

  // The newest call of a node wins; sends it the whole state.
  void open(const State& state, const std::string& node, std::shared_ptr<DesiredStream> stream,
            const std::set<AttemptKey>& observed);
  void forget(const std::string& node, const DesiredStream* stream);
  void send(const State& state, const std::string& node, const std::set<AttemptKey>& changed,
            const std::set<AttemptKey>& released);
  // Has the node bring home what the attempt has written until now. False if it is not connected.
  bool ask_home(const std::string& node, const AttemptKey& key) const;
  // The node's call of now; nullptr if there is none.
  std::shared_ptr<DesiredStream> call_of(const std::string& node) const;

 private:
  void add(pb::DesiredState& message, const State& state, const std::string& node,
           const AttemptKey& key, DesiredStream& stream);
  void withhold_live_folders(AttemptSpec& spec, const Job& job);

  const Sealer& sealer_;
  const Accounts& accounts_;
  storage::Storage& storage_;
  const End end_;
  std::map<std::string, std::shared_ptr<DesiredStream>> streams_;
};

// Which attempts' GPUs do nothing, from samples: told when it has changed by so much that people would see it.
class IdleNews {
 public:
  std::optional<GpusIdle> look(const SampleBook& samples, Time now);

 private:
  std::map<AttemptKey, Duration> told_;
};

class RpcEdge final : public Edge {
 public:
  // `cancel` ends a job that nobody is attached to any more; `derive` has a tree made, and must not
  // block; `idle` hands on which attempts' GPUs do nothing, whenever that has changed.
  RpcEdge(AgentSessions& agents, StreamHub& hub, Watches& watches, SampleBook& samples,
          Attendance& attendance, std::function<void(JobId)> cancel,
          std::function<void(const DeriveRoot&)> derive, std::function<void(GpusIdle)> idle)
      : agents_(agents),
        hub_(hub),
        watches_(watches),
        samples_(samples),
        attendance_(attendance),
        cancel_(std::move(cancel)),
        derive_(std::move(derive)),
        idle_(std::move(idle)) {}
  void perform(const State& state, std::span<const Effect> effects, Time now) override;
  void ticked(const State& state, Time now) override;

 private:
  AgentSessions& agents_;
  StreamHub& hub_;
  Watches& watches_;
  SampleBook& samples_;
  Attendance& attendance_;
  const std::function<void(JobId)> cancel_;
  const std::function<void(const DeriveRoot&)> derive_;
  const std::function<void(GpusIdle)> idle_;
  IdleNews idle_news_;
};

}  // namespace devrun::controller
