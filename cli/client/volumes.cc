// The calls of Controller about volumes and snapshots.
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <optional>

#include "cli/client/call.h"
#include "cli/client/own_tree.h"
#include "cli/client/records_wire.h"

namespace devrun::cli {

namespace pb = devrun::v1;

namespace {

constexpr size_t kArchivePieceBytes = 256 << 10;

pb::SnapshotName to_proto(const SnapshotName& name) {
  pb::SnapshotName out;
  out.set_volume(name.volume);
  out.set_snapshot(name.snapshot);
  return out;
}

template <typename Connection, typename Request, typename Reply>
Result<Reply> call(Connection& connection, const Target& target,
                   grpc::Status (pb::Client::Stub::*method)(grpc::ClientContext*, const Request&,
                                                            Reply*),
                   const Request& request, std::optional<std::chrono::seconds> limit) {
  return unary_call(connection.calls, *connection.stub, target, method, request, limit);
}

// A snapshot may have to wait for dirty data, what is removed for locks, and usage reads every tree.
constexpr std::nullopt_t kNoLimit = std::nullopt;

}  // namespace

Status Controller::create_volume(const VolumeRequest& request, const ProgressWords& words) {
  pb::CreateVolumeRequest message;
  message.set_name(request.name);
  message.set_quota_bytes(request.quota_bytes);
  if (const auto* suite = std::get_if<FromDebootstrap>(&request.source)) {
    message.mutable_debootstrap()->set_suite(suite->suite);
    for (const std::string& package : suite->include)
      message.mutable_debootstrap()->add_include(package);
  } else if (const auto* folder = std::get_if<FromFolder>(&request.source)) {
    message.set_folder(folder->path);
  } else if (const auto* volume = std::get_if<FromVolume>(&request.source)) {
    *message.mutable_volume() = to_proto(volume->from);
  } else if (const auto* image = std::get_if<FromImage>(&request.source)) {
    message.set_image(image->reference);
  } else {
    message.set_empty(true);
  }
  grpc::ClientContext context;
  const auto reader = connection_->stub->CreateVolume(&context, message);
  read_progress(*reader, words);
  const grpc::Status status = reader->Finish();
  if (!status.ok()) return call_error(status, target_);
  return ok();
}

Status Controller::fill_volume(const FillRequest& request, int archive,
                               const std::function<Status()>& whole, const ProgressWords& words) {
  grpc::ClientContext context;
  const auto stream = connection_->stub->FillVolume(&context);
  pb::FillVolumeRequest message;
  pb::FillVolumeStart* start = message.mutable_start();
  start->set_volume(request.volume);
  start->set_create(request.create);
  start->set_folder(request.folder);
  start->set_quota_bytes(request.quota_bytes);
  bool taken = stream->Write(message);
  std::string piece(kArchivePieceBytes, '\0');
  Status sent = ok();
  ProgressWord sending{"sending", true, 0, request.archive_bytes, true};
  while (taken) {
    const ssize_t n = ::read(archive, piece.data(), piece.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) sent = errno_error("read the archive", errno);
    if (n <= 0) break;
    message.Clear();
    message.set_data(piece.data(), static_cast<size_t>(n));
    taken = stream->Write(message);
    sending.done += n;
    if (words) words(sending);
  }
  if (taken && sent) sent = whole();
  if (!sent) {
    context.TryCancel();
    stream->Finish();
    return sent;
  }
  message.Clear();
  message.set_end(true);
  if (taken) stream->Write(message);
  stream->WritesDone();
  read_progress(*stream, words);
  const grpc::Status status = stream->Finish();
  if (!status.ok()) return call_error(status, target_);
  return ok();
}

Result<std::vector<VolumeRecord>> Controller::list_volumes(bool removed) {
  pb::ListVolumesRequest request;
  request.set_removed(removed);
  const auto reply =
      TRY(call(*connection_, target_, &pb::Client::Stub::ListVolumes, request, kCallLimit));
  std::vector<VolumeRecord> out;
  for (const auto& volume : reply.volumes()) out.push_back(from_proto(volume));
  return out;
}

Result<Time> Controller::remove_volume(const std::string& name) {
  pb::RemoveVolumeRequest request;
  request.set_name(name);
  return Time{TRY(call(*connection_, target_, &pb::Client::Stub::RemoveVolume, request, kNoLimit))
                  .kept_until_us()};
}

Status Controller::return_volume(const std::string& name) {
  pb::ReturnVolumeRequest request;
  request.set_name(name);
  TRY(call(*connection_, target_, &pb::Client::Stub::ReturnVolume, request, kNoLimit));
  return ok();
}

Status Controller::set_quota(const std::string& volume, int64_t bytes) {
  pb::SetQuotaRequest request;
  request.set_volume(volume);
  request.set_quota_bytes(bytes);
  TRY(call(*connection_, target_, &pb::Client::Stub::SetQuota, request, kCallLimit));
  return ok();
}

Result<UsageRecord> Controller::usage(const std::string& volume) {
  pb::GetUsageRequest request;
  request.set_volume(volume);
  const auto reply =
      TRY(call(*connection_, target_, &pb::Client::Stub::GetUsage, request, kNoLimit));
  UsageRecord out;
  out.store_bytes = reply.store_bytes();
  out.store_free_bytes = reply.store_free_bytes();
  for (const auto& one : reply.volumes()) {
    out.volumes.push_back({one.name(), one.live_bytes(), one.own_bytes(), one.shared_bytes(),
                           one.snapshots(), one.quota_bytes()});
  }
  return out;
}

Result<std::vector<SnapshotRecord>> Controller::list_snapshots(const std::string& volume) {
  pb::ListSnapshotsRequest request;
  request.set_volume(volume);
  const auto reply =
      TRY(call(*connection_, target_, &pb::Client::Stub::ListSnapshots, request, kCallLimit));
  std::vector<SnapshotRecord> out;
  for (const auto& one : reply.snapshots()) out.push_back(from_proto(one));
  return out;
}

Result<SnapshotRecord> Controller::create_snapshot(const std::string& volume,
                                                   const std::string& message) {
  if (target_.through_socket) TRY(send_what_is_written());
  pb::CreateSnapshotRequest request;
  request.set_volume(volume);
  request.set_message(message);
  return from_proto(
      TRY(call(*connection_, target_, &pb::Client::Stub::CreateSnapshot, request, kNoLimit)));
}

Result<SnapshotRecord> Controller::remove_snapshot(const SnapshotName& name) {
  pb::RemoveSnapshotRequest request;
  *request.mutable_name() = to_proto(name);
  return from_proto(
      TRY(call(*connection_, target_, &pb::Client::Stub::RemoveSnapshot, request, kNoLimit)));
}

Result<RestoredRecord> Controller::restore_snapshot(const SnapshotName& name,
                                                    const std::vector<std::string>& paths,
                                                    const ProgressWords& words) {
  if (target_.through_socket) TRY(send_what_is_written());
  pb::RestoreSnapshotRequest request;
  *request.mutable_name() = to_proto(name);
  for (const std::string& path : paths) request.add_paths(path);
  grpc::ClientContext context;
  const auto reader = connection_->stub->RestoreSnapshot(&context, request);
  const pb::Progress last = read_progress(*reader, words);
  const grpc::Status status = reader->Finish();
  if (!status.ok()) return call_error(status, target_);
  return RestoredRecord{from_proto(last.before()), last.files()};
}

Status Controller::diff_snapshots(
    const SnapshotName& before, const SnapshotName& after,
    const std::function<void(const SnapshotRecord&, const SnapshotRecord&)>& begin,
    const std::function<Status(const ChangeRecord&)>& change) {
  if (target_.through_socket) TRY(send_what_is_written());
  pb::DiffSnapshotsRequest request;
  *request.mutable_before() = to_proto(before);
  *request.mutable_after() = to_proto(after);
  grpc::ClientContext context;
  const auto reader = connection_->stub->DiffSnapshots(&context, request);
  pb::DiffSnapshotsReply reply;
  Status told = ok();
  while (told && reader->Read(&reply)) {
    if (reply.has_before() && begin) begin(from_proto(reply.before()), from_proto(reply.after()));
    for (int i = 0; told && i < reply.changes_size(); ++i) {
      told = change(from_proto(reply.changes(i)));
    }
  }
  if (!told) context.TryCancel();
  const grpc::Status status = reader->Finish();
  if (!told) return told;
  if (!status.ok()) return call_error(status, target_);
  return ok();
}

Result<std::string> Controller::read_snapshot_file(const SnapshotName& name,
                                                   const std::string& path, uint64_t bytes_max) {
  pb::ReadSnapshotFileRequest request;
  *request.mutable_name() = to_proto(name);
  request.set_path(path);
  request.set_bytes_max(bytes_max);
  grpc::ClientContext context;
  const auto reader = connection_->stub->ReadSnapshotFile(&context, request);
  std::string out;
  pb::FileBytes piece;
  while (reader->Read(&piece)) out += piece.data();
  const grpc::Status status = reader->Finish();
  if (!status.ok()) return call_error(status, target_);
  return out;
}

}  // namespace devrun::cli
