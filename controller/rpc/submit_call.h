// One Submit: check, see who calls, take the snapshot on a worker, seal the environment, hand the job to the core. A
// request id that is known is answered at once, without a snapshot. A job that is run again brings its snapshot and its
// sealed environment along.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "controller/rpc/identity.h"
#include "controller/rpc/path_kinds.h"
#include "controller/rpc/services.h"
#include "devrun/v1/client.grpc.pb.h"

namespace devrun::controller {

class SubmitCall : public std::enable_shared_from_this<SubmitCall> {
 public:
  SubmitCall(Parts parts, Peer peer, const pb::SubmitRequest& request, pb::SubmitReply& reply,
             grpc::ServerUnaryReactor& reactor)
      : parts_(parts),
        peer_(std::move(peer)),
        request_(request),
        reply_(reply),
        reactor_(reactor) {}

  void start();

 private:
  Status look(const State& state);  // core's thread; sets known_ if the request is
  Status prepare();                 // a worker's thread
  Status check_dev_container();
  Status check_tree();
  Status check_store_quota();  // of a job that is run again
  // What the volume is shared for: results come home, and live paths are, only where the caller may write.
  Status stay_within_rights();
  // The job's kinds of paths, from those that were asked for.
  Status settle_paths();
  void note_live_volumes(const std::map<std::string, Time>& made);
  Status prepare_root();
  // A setup step that need not run is found before the job is journaled: one transaction for all.
  void hold_to_gpu_type();
  void look_for_setup();
  void submit();
  void answer(JobId id);
  void answer(const Job& job);
  void fail(const Error& error);

  Parts parts_;
  const Peer peer_;
  const pb::SubmitRequest& request_;  // these three live until the reactor has finished
  pb::SubmitReply& reply_;
  grpc::ServerUnaryReactor& reactor_;

  JobSpec spec_;
  Who who_;
  SitePaths sites_;
  std::string site_;  // the mount that the caller's folder is on
  std::set<std::string> gpu_types_;
  Timeline timeline_;
  std::optional<Submit::SetupHit> setup_hit_;
  bool root_is_set_ = false;  // the tree of the job that calls
  JobId known_ = 0;           // the job that this request has made before
};

}  // namespace devrun::controller
