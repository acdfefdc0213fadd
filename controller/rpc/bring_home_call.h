// One BringHome call (agent.proto): an agent tells what an attempt wrote, and a worker puts it into the
// store at the speed at which it comes. Messages are taken as they come off the wire: most of them are
// bytes of files, of which each copy counts (home_message.h).
#pragma once

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <string>

#include "controller/rpc/admission.h"
#include "controller/rpc/home_message.h"
#include "controller/rpc/identity.h"
#include "controller/rpc/services.h"
#include "controller/rpc/worker_stream.h"
#include "devrun/v1/agent.grpc.pb.h"

namespace devrun::controller {

namespace pb = devrun::v1;

class BringHomeCall final
    : public WorkerStreamOf<grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>,
                            grpc::ByteBuffer> {
 public:
  // `node`: whose certificate the caller has.
  static BringHomeCall* start(Parts parts, std::string node, HeldCalls::Hold hold);
  BringHomeCall(Parts parts, std::string node, HeldCalls::Hold hold)
      : parts_(parts), node_(std::move(node)), hold_(std::move(hold)) {}

  void OnReadDone(bool read) override;
  void OnDone() override {
    hold_.reset();
    WorkerStreamOf::OnDone();
  }

 private:
  void begin();
  Status work(const storage::HomeStart& start);
  Status take(HomeMessage message, storage::HomeRound& round);
  bool tell(const pb::HomeDown& message);
  // Nothing once the agent has gone, or was silent for too long.
  std::optional<grpc::ByteBuffer> next();
  void read_next();  // with mutex_

  Parts parts_;
  const std::string node_;
  HeldCalls::Hold hold_;  // until OnDone
  std::weak_ptr<BringHomeCall> weak_;
  grpc::ByteBuffer message_;  // that is being read
  pb::HomeStart start_;
  bool started_ = false;

  std::mutex mutex_;  // guards what follows
  std::condition_variable came_;
  std::deque<grpc::ByteBuffer> waiting_;
  bool reading_ = false;
  bool broken_ = false;

  // The worker's.
  bool listed_ = false;
  uint64_t awaited_ = 0;  // files whose bytes have not all come
};

// How the attempt's round begins, if the node may make one. kNotFound: no such attempt; kDenied: it
// is another node's.
Result<storage::HomeStart> home_start(const State& state, const std::string& node,
                                      const AttemptKey& key, bool final);

}  // namespace devrun::controller
