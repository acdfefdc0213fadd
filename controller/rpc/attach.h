// One Attach call: a watcher's end of a channel, and of its task's state. Everything that is sent is pulled: `pump`
// picks the next message whenever one has been written or something has moved.
#pragma once

#include <memory>
#include <mutex>
#include <optional>

#include "controller/rpc/attendance.h"
#include "controller/rpc/core_loop.h"
#include "controller/rpc/identity.h"
#include "controller/rpc/stream_hub.h"
#include "devrun/v1/client.grpc.pb.h"

namespace devrun::controller {

namespace pb = devrun::v1;

class AttachCall final : public grpc::ServerBidiReactor<pb::AttachRequest, pb::AttachReply>,
                         public StreamEnd,
                         public TaskWatcher,
                         public std::enable_shared_from_this<AttachCall> {
 public:
  static AttachCall* start(CoreLoop& core, StreamHub& hub, Attendance& attendance, Peer peer);
  AttachCall(CoreLoop& core, StreamHub& hub, Attendance& attendance, Peer peer)
      : core_(core), hub_(hub), attendance_(attendance), peer_(std::move(peer)) {}

  void moved() override;
  void task_changed(const TaskView& view) override;
  void OnReadDone(bool done) override;
  void OnWriteDone(bool done) override;
  void OnCancel() override { finish({grpc::StatusCode::CANCELLED, "detached"}); }
  void OnDone() override;

 private:
  void begin(const pb::AttachStart& start);
  void begin_at(uint64_t offset);  // output from here on
  Status connect(const State& state, Time now, const pb::AttachStart& start);  // core's thread
  Status take(pb::AttachRequest& request);  // its stdin is moved away
  void finish(const grpc::Status& status);
  void pump();                        // under mutex_
  bool fill(pb::AttachReply& reply);  // under mutex_: the next message, if there is one
  bool fill_stdin(pb::AttachReply& reply);
  bool fill_output(pb::AttachReply& reply);
  bool fill_end(pb::AttachReply& reply);
  bool all_is_sent() const;  // under mutex_: of the present attempt's output, if it has ended
  void follow_attempts();  // under mutex_: on to the next one once all of this one's output is sent
  std::shared_ptr<Channel> channel();

  CoreLoop& core_;
  StreamHub& hub_;
  Attendance& attendance_;
  const Peer peer_;
  std::shared_ptr<AttachCall> self_;  // until OnDone
  pb::AttachRequest request_;         // the read in progress
  pb::AttachReply reply_;             // the write in progress
  bool writer_ = false;

  std::mutex mutex_;
  std::shared_ptr<Channel>
      channel_;  // of the attempt whose output is sent; set before the second read
  uint32_t attempt_ = 0;
  TaskKey task_;
  uint32_t rank_ = 0;
  TaskView view_;
  bool tell_state_ = false;
  std::optional<uint64_t> told_taken_;
  bool told_closed_ = false;
  bool placed_ = false;          // sent_ is where to begin
  uint64_t missing_before_ = 0;  // of former attempts' output; not told yet
  uint64_t sent_ = 0;            // output
  uint64_t read_ = 0;            // of it, what the reader has said it has read
  bool ended_ = false;
  bool writing_ = false;
  bool finished_ = false;
};

}  // namespace devrun::controller
