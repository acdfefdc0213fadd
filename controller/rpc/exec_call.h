// One Exec call: who may, when the job runs, and the order to its node's agent; after that the relay has it
// (session_hub.h).
#pragma once

#include <memory>

#include "controller/rpc/agent_sessions.h"
#include "controller/rpc/core_loop.h"
#include "controller/rpc/identity.h"
#include "controller/rpc/session_hub.h"
#include "controller/rpc/stream_hub.h"

namespace devrun::controller {

struct ExecParts {
  CoreLoop& core;
  StreamHub& hub;
  AgentSessions& agents;  // core's thread only
  SessionHub& sessions;
};

class ExecCall final : public CallerReactor,
                       public TaskWatcher,
                       public std::enable_shared_from_this<ExecCall> {
 public:
  static ExecCall* start(ExecParts parts, Peer peer);
  ExecCall(ExecParts parts, Peer peer)
      : parts_(parts), peer_(std::move(peer)), relay_(std::make_shared<SessionRelay>(*this)) {}

  void task_changed(const TaskView& view) override;
  void OnReadDone(bool done) override;
  void OnWriteDone(bool done) override { relay_->caller_wrote(done); }
  void OnCancel() override { relay_->close({grpc::StatusCode::CANCELLED, "the caller has gone"}); }
  void OnDone() override;

 private:
  // Core's thread, all of these.
  Status connect(const State& state, Time now);
  void order(const TaskView& view);

  const ExecParts parts_;
  const Peer peer_;
  const std::shared_ptr<SessionRelay> relay_;
  std::shared_ptr<ExecCall> self_;  // until OnDone
  bool started_ = false;
  pb::AttachRequest first_;
  TaskKey task_;
  std::string what_;  // the task, in words
  pb::SessionOrder order_;
  std::weak_ptr<DesiredStream> ordered_on_;
  int told_since_order_ = 0;
  std::optional<TaskView> told_;
};

}  // namespace devrun::controller
