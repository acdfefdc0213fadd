// One Streams call of an agent: the lower end of a channel. Output comes up into the log, and how far it is stored goes
// down, merged; stdin, resizes and signals go down as the channel has them.
#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "controller/rpc/admission.h"
#include "controller/rpc/core_loop.h"
#include "controller/rpc/stream_hub.h"
#include "devrun/v1/agent.grpc.pb.h"

namespace devrun::controller {

namespace pb = devrun::v1;

class AgentStreams final : public grpc::ServerBidiReactor<pb::StreamsUp, pb::StreamsDown>,
                           public StreamEnd,
                           public std::enable_shared_from_this<AgentStreams> {
 public:
  static AgentStreams* start(CoreLoop& core, StreamHub& hub, std::string node,
                             HeldCalls::Hold hold);
  AgentStreams(CoreLoop& core, StreamHub& hub, std::string node, HeldCalls::Hold hold)
      : core_(core), hub_(hub), node_(std::move(node)), hold_(std::move(hold)) {}

  void moved() override;
  void OnReadDone(bool done) override;
  void OnWriteDone(bool done) override;
  void OnCancel() override { finish({grpc::StatusCode::CANCELLED, "the agent has gone"}); }
  void OnDone() override {
    hold_.reset();
    self_.reset();
  }

 private:
  void begin(const AttemptKey& key);  // after `start`: is the attempt this node's?
  void connect(const AttemptKey& key);
  Status take(const pb::StreamsUp& up);
  Status take_output(const pb::OutputChunk& chunk);
  void finish(const grpc::Status& status);
  void pump();                       // under mutex_
  bool fill(pb::StreamsDown& down);  // under mutex_: the next message, if there is one

  CoreLoop& core_;
  StreamHub& hub_;
  const std::string node_;
  HeldCalls::Hold hold_;                // until OnDone
  std::shared_ptr<AgentStreams> self_;  // until OnDone
  pb::StreamsUp up_;                    // the read in progress
  pb::StreamsDown down_;                // the write in progress
  std::shared_ptr<Channel> channel_;    // set once, before the second read
  std::mutex mutex_;
  bool tell_from_ = false;
  bool rewinding_ =
      false;  // output_from has been asked for; what comes before it is in flight from before
  uint64_t told_taken_ = 0;
  uint64_t stdin_sent_ = 0;
  bool eof_sent_ = false;
  bool writing_ = false;
  bool finished_ = false;
};

}  // namespace devrun::controller
