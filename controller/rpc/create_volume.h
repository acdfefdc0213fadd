// One CreateVolume call: the work goes on on a worker even if the caller leaves; its lines are sent as they come.
#pragma once

#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>

#include "common/runtime/pki.h"
#include "controller/rpc/worker_pool.h"
#include "controller/storage/storage.h"
#include "devrun/v1/client.grpc.pb.h"

namespace devrun::controller {

namespace pb = devrun::v1;

inline constexpr size_t kProgressLinesMax = 1000;  // that wait to be sent; more are dropped

class CreateVolumeCall final : public grpc::ServerWriteReactor<pb::Progress> {
 public:
  static CreateVolumeCall* start(storage::Storage& storage, WorkerPool& workers,
                                 const Certified& caller, const pb::CreateVolumeRequest& request);

  void OnWriteDone(bool done) override;
  void OnCancel() override;
  void OnDone() override { self_.reset(); }

 private:
  void add_line(std::string_view line);
  void done(const Status& status);
  void finish(const grpc::Status& status);  // under mutex_
  void pump();                              // under mutex_

  std::shared_ptr<CreateVolumeCall> self_;  // until OnDone; the worker holds another
  std::mutex mutex_;
  std::deque<pb::Progress> lines_;
  std::optional<Status> result_;
  bool writing_ = false;
  bool finished_ = false;
};

}  // namespace devrun::controller
