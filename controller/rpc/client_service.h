// What users' programs call: proto/devrun/v1/client.proto. Callback API: no thread waits for a call; what blocks
// (snapshots, volumes) is done by workers, what needs the state is read on the core's thread.
#pragma once

#include <functional>
#include <vector>

#include "controller/rpc/identity.h"
#include "controller/rpc/services.h"
#include "controller/rpc/unary_call.h"
#include "controller/rpc/worker_stream.h"
#include "devrun/v1/client.grpc.pb.h"

namespace devrun::controller {

class ClientService final : public pb::Client::CallbackService {
 public:
  using Context = grpc::CallbackServerContext;
  using Unary = grpc::ServerUnaryReactor;
  explicit ClientService(Parts parts) : parts_(parts) {}

  Unary* Hello(Context*, const pb::ClientHello*, pb::ControllerHello*) override;
  Unary* Submit(Context*, const pb::SubmitRequest*, pb::SubmitReply*) override;
  grpc::ServerBidiReactor<pb::AttachRequest, pb::AttachReply>* Attach(Context*) override;
  grpc::ServerBidiReactor<pb::AttachRequest, pb::AttachReply>* Exec(Context*) override;
  Unary* ListSessions(Context*, const pb::ListSessionsRequest*, pb::ListSessionsReply*) override;
  Unary* ListJobs(Context*, const pb::ListJobsRequest*, pb::ListJobsReply*) override;
  Unary* GetJob(Context*, const pb::GetJobRequest*, pb::JobInfo*) override;
  Unary* CancelJob(Context*, const pb::CancelJobRequest*, pb::CancelJobReply*) override;
  grpc::ServerWriteReactor<pb::LogChunk>* ReadLog(Context*, const pb::ReadLogRequest*) override;
  grpc::ServerWriteReactor<pb::Progress>* CreateVolume(Context*,
                                                       const pb::CreateVolumeRequest*) override;
  Unary* ReturnVolume(Context*, const pb::ReturnVolumeRequest*, pb::VolumeInfo*) override;
  grpc::ServerBidiReactor<pb::FillVolumeRequest, pb::Progress>* FillVolume(Context*) override;
  Unary* GetUsage(Context*, const pb::GetUsageRequest*, pb::GetUsageReply*) override;
  Unary* SetQuota(Context*, const pb::SetQuotaRequest*, pb::VolumeInfo*) override;
  Unary* ListSnapshots(Context*, const pb::ListSnapshotsRequest*, pb::ListSnapshotsReply*) override;
  Unary* CreateSnapshot(Context*, const pb::CreateSnapshotRequest*, pb::SnapshotInfo*) override;
  Unary* RemoveSnapshot(Context*, const pb::RemoveSnapshotRequest*, pb::SnapshotInfo*) override;
  grpc::ServerWriteReactor<pb::Progress>* RestoreSnapshot(
      Context*, const pb::RestoreSnapshotRequest*) override;
  grpc::ServerWriteReactor<pb::DiffSnapshotsReply>* DiffSnapshots(
      Context*, const pb::DiffSnapshotsRequest*) override;
  grpc::ServerWriteReactor<pb::FileBytes>* ReadSnapshotFile(
      Context*, const pb::ReadSnapshotFileRequest*) override;
  Unary* ListVolumes(Context*, const pb::ListVolumesRequest*, pb::ListVolumesReply*) override;
  Unary* RemoveVolume(Context*, const pb::RemoveVolumeRequest*, pb::RemoveVolumeReply*) override;
  grpc::ServerWriteReactor<pb::ListChangesReply>* ListChanges(
      Context*, const pb::ListChangesRequest*) override;
  grpc::ServerWriteReactor<pb::Progress>* TakeChanges(Context*,
                                                      const pb::TakeChangesRequest*) override;
  grpc::ServerWriteReactor<pb::Progress>* UndoChanges(Context*,
                                                      const pb::UndoChangesRequest*) override;
  grpc::ServerWriteReactor<pb::CompareTreesReply>* CompareTrees(
      Context*, const pb::CompareTreesRequest*) override;
  grpc::ServerWriteReactor<pb::FileBytes>* ReadTreeFile(Context*,
                                                        const pb::ReadTreeFileRequest*) override;
  Unary* GetVolumePaths(Context*, const pb::GetVolumePathsRequest*, pb::VolumePaths*) override;
  Unary* SetVolumePaths(Context*, const pb::SetVolumePathsRequest*, pb::VolumePaths*) override;
  Unary* ListNodes(Context*, const pb::ListNodesRequest*, pb::ListNodesReply*) override;
  Unary* DrainNode(Context*, const pb::DrainNodeRequest*, pb::NodeInfo*) override;
  Unary* ForeseeJob(Context*, const pb::SubmitRequest*, pb::Foresight*) override;
  Unary* DeclareNodeLost(Context*, const pb::DeclareNodeLostRequest*,
                         pb::DeclareNodeLostReply*) override;

 private:
  // On the core's thread, for a caller who may make the call; answers what it returns. The jobs that are named are known,
  // also those that have left the ledger.
  Unary* with_jobs(Context* context, const char* call, std::vector<JobId> jobs, WithState work);

  // A worker's, for a caller who may make the call; answered with a stream.
  template <typename Reply>
  using StreamWork = std::function<Status(const Who& who, WorkerStream<Reply>& stream)>;
  template <typename Reply>
  grpc::ServerWriteReactor<Reply>* stream(Context* context, const char* call,
                                          StreamWork<Reply> work);
  // The same with words on the way; fills in the last message.
  using ProgressWork =
      std::function<Status(const Who& who, storage::Work& work, pb::Progress& last)>;
  grpc::ServerWriteReactor<pb::Progress>* with_progress(Context* context, const char* call,
                                                        ProgressWork work);

  Parts parts_;
  std::mutex paths_mutex_;  // held while a volume's kinds of paths are changed
};

}  // namespace devrun::controller
