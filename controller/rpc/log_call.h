// One ReadLog call: the output log from an offset on, and with `follow` until the task has ended.
#pragma once

#include <memory>
#include <mutex>

#include "controller/rpc/core_loop.h"
#include "controller/rpc/identity.h"
#include "controller/rpc/stream_hub.h"
#include "devrun/v1/client.grpc.pb.h"

namespace devrun::controller {

namespace pb = devrun::v1;

class LogCall final : public grpc::ServerWriteReactor<pb::LogChunk>,
                      public StreamEnd,
                      public TaskWatcher,
                      public std::enable_shared_from_this<LogCall> {
 public:
  static LogCall* start(CoreLoop& core, StreamHub& hub, Peer peer,
                        const pb::ReadLogRequest& request);
  LogCall(CoreLoop& core, StreamHub& hub, Peer peer, const pb::ReadLogRequest& request)
      : core_(core), hub_(hub), peer_(std::move(peer)), request_(request) {}

  void moved() override;
  void task_changed(const TaskView& view) override;
  void OnWriteDone(bool done) override;
  void OnCancel() override;
  void OnDone() override { self_.reset(); }

 private:
  Status connect(const State& state, Time now);  // core's thread
  void finish(const grpc::Status& status);       // under mutex_
  void find_begin();                             // core's thread
  void begin(uint64_t offset);                   // under mutex_
  void pump();                                   // likewise
  void follow_attempts();                        // likewise

  CoreLoop& core_;
  StreamHub& hub_;
  const Peer peer_;
  const pb::ReadLogRequest request_;
  std::shared_ptr<LogCall> self_;  // until OnDone
  pb::LogChunk chunk_;             // the write in progress
  std::mutex mutex_;
  std::shared_ptr<Channel> channel_;
  TaskView view_;
  bool placed_ = false;  // sent_ is where to begin
  uint32_t attempt_ = 0;
  uint64_t sent_ = 0;
  uint64_t missing_before_ = 0;  // of former attempts' output; not told yet
  bool ended_ = false;
  bool writing_ = false;
  bool finished_ = false;
};

}  // namespace devrun::controller
