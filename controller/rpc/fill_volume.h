// One FillVolume call: the archive's bytes go through a pipe to a worker that unpacks them, at the
// speed at which it takes them.
#pragma once

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <string>

#include "controller/rpc/identity.h"
#include "controller/rpc/services.h"
#include "controller/rpc/worker_stream.h"
#include "devrun/v1/client.grpc.pb.h"

namespace devrun::controller {

namespace pb = devrun::v1;

class FillVolumeCall final
    : public WorkerStreamOf<grpc::ServerBidiReactor<pb::FillVolumeRequest, pb::Progress>,
                            pb::Progress> {
 public:
  static FillVolumeCall* start(Parts parts, Peer peer);
  FillVolumeCall(Parts parts, Peer peer) : parts_(parts), peer_(std::move(peer)) {}

  void OnReadDone(bool read) override;

 private:
  void begin();
  Status work(const Who& who, storage::Work& work);
  Status may_add();
  // Moves what arrives into the pipe until the archive's end. Whether that was reached.
  bool feed(int pipe);
  void read_next();  // with feed_mutex_

  Parts parts_;
  const Peer peer_;
  std::weak_ptr<FillVolumeCall> weak_;
  pb::FillVolumeRequest request_;  // that is being read
  pb::FillVolumeStart start_;
  bool started_ = false;

  std::mutex feed_mutex_;  // guards what follows
  std::condition_variable fed_;
  std::deque<std::string> pieces_;
  bool reading_ = false;
  bool ended_ = false;   // the archive has
  bool broken_ = false;  // the caller has gone before
};

}  // namespace devrun::controller
