// The calls of ClientService about snapshots and what volumes hold.
#include <fmt/format.h>

#include "controller/rpc/client_stream.h"
#include "controller/rpc/fill_volume.h"
#include "controller/rpc/refuse.h"
#include "controller/rpc/snapshot_info.h"
#include "controller/rpc/volume_access.h"
#include "controller/rpc/volume_quota.h"
#include "controller/rpc/worker_stream.h"
#include "controller/storage/tree_writer.h"
#include "controller/storage/volume_source.h"

namespace devrun::controller {

namespace {

constexpr size_t kChangesPerReply = 512;
constexpr uint64_t kFileBytesMax = 64 << 20;

storage::SnapshotName name_of(const std::string& volume, const pb::SnapshotName& in) {
  return {volume, in.snapshot()};
}

Status check_message(const std::string& message) {
  if (message.size() > storage::kSnapshotMessageBytesMax) {
    return Error{Code::kInvalid,
                 fmt::format("the message has {} bytes, at most {}", message.size(),
                             storage::kSnapshotMessageBytesMax),
                 {}};
  }
  for (const char c : message) {
    if (static_cast<unsigned char>(c) < ' ' || c == '\x7f') {
      return Error{Code::kInvalid, "the message has a control character", {}};
    }
  }
  return ok();
}

}  // namespace

grpc::ServerWriteReactor<pb::Progress>* ClientService::with_progress(Context* context,
                                                                     const char* call,
                                                                     ProgressWork work) {
  return stream<pb::Progress>(
      context, call,
      [work = std::move(work)](const Who& who, WorkerStream<pb::Progress>& stream) -> Status {
        const auto say = [&stream](std::string_view line, bool passing) {
          pb::Progress words;
          words.set_line(std::string(line));
          words.set_passing(passing);
          stream.offer(std::move(words));
        };
        const auto say_amount = [&stream](std::string_view what, const storage::Amount& amount) {
          pb::Progress words;
          words.set_line(std::string(what));
          words.set_passing(true);
          words.set_amount_done(amount.done);
          words.set_amount_total(amount.total);
          words.set_amount_unit(amount.unit == storage::Amount::Unit::kBytes
                                    ? pb::AMOUNT_UNIT_BYTES
                                    : pb::AMOUNT_UNIT_ENTRIES);
          stream.offer(std::move(words));
        };
        const auto doing = std::make_shared<storage::Work>(
            [say](std::string_view line) { say(line, false); },
            [say](std::string_view line) { say(line, true); }, say_amount);
        stream.on_leave([doing] { doing->stop(); });
        pb::Progress last;
        TRY(work(who, *doing, last));
        last.set_done(true);
        stream.push(std::move(last));
        return ok();
      });
}

namespace {

Result<storage::VolumeSource> source_of(storage::Storage& storage,
                                        const pb::CreateVolumeRequest& request, const Who& who) {
  const auto for_administrators = [](const char* what) {
    return Error{Code::kDenied, fmt::format("only an administrator can make a volume of {}", what),
                 "devrun volume create NAME --from-debootstrap bookworm"};
  };
  // A container's root makes what its task files ask for: shared folders, and volumes of images.
  const bool for_task_files = request.source_case() == pb::CreateVolumeRequest::kEmpty ||
                              request.source_case() == pb::CreateVolumeRequest::kImage;
  if (who.from && !for_task_files) {
    return Error{
        Code::kDenied,
        "from a container only its root makes volumes, and only empty ones or ones of images",
        "the same from outside"};
  }
  switch (request.source_case()) {
    case pb::CreateVolumeRequest::kDebootstrap: {
      const auto& in = request.debootstrap();
      if (in.suite().empty() || in.suite()[0] == '-') {
        return Error{Code::kInvalid, "expected the name of a Debian suite, such as bookworm", {}};
      }
      return storage::VolumeSource{
          storage::FromDebootstrap{in.suite(), {in.include().begin(), in.include().end()}}};
    }
    case pb::CreateVolumeRequest::kFolder:
      if (!who.admin) return for_administrators("a folder on the storage host");
      return storage::VolumeSource{storage::FromFolder{request.folder()}};
    case pb::CreateVolumeRequest::kEmpty:
      return storage::VolumeSource{storage::Empty{}};
    case pb::CreateVolumeRequest::kImage: {
      const std::string& image = request.image();
      if (image.empty() || image[0] == '-') {
        return Error{Code::kInvalid, "expected the reference of an image", {}};
      }
      // The others name files and daemons of the storage host.
      const bool is_remote = image.starts_with("docker://") || !storage::has_image_transport(image);
      if (!is_remote && !who.admin) return for_administrators("an image on the storage host");
      return storage::VolumeSource{storage::FromImage{image}};
    }
    case pb::CreateVolumeRequest::kVolume: {
      const std::string from = TRY(volume_of_request(storage, who, request.volume().volume()));
      return storage::VolumeSource{storage::FromVolume{name_of(from, request.volume())}};
    }
    case pb::CreateVolumeRequest::SOURCE_NOT_SET:
      break;
  }
  return Error{Code::kInvalid, "a volume needs a source",
               "devrun volume create NAME --from-debootstrap bookworm"};
}

}  // namespace

grpc::ServerWriteReactor<pb::Progress>* ClientService::CreateVolume(
    Context* context, const pb::CreateVolumeRequest* request) {
  return with_progress(
      context, "CreateVolume",
      [&storage = parts_.storage, &quotas = parts_.quotas, request = *request](
          const Who& who, storage::Work& work, pb::Progress& last) -> Status {
        storage::VolumeSource source = TRY(source_of(storage, request, who));
        const auto* const copied = std::get_if<storage::FromVolume>(&source);
        int64_t bytes = 0;
        if (copied != nullptr) bytes = TRY(storage.volume(copied->from.volume)).newest.bytes;
        TRY(check_new_volume(quotas, storage, who.user, bytes));
        if (request.quota_bytes() < 0) return Error{Code::kInvalid, "a quota below 0", {}};
        work.tell_passing("making it");  // the first word to who may (call_witness.h)
        TRY(storage.create_volume(
            {request.name(), who.user, std::move(source), request.quota_bytes()}, work));
        *last.mutable_volume() = volume_info(TRY(storage.volume(request.name())), Level::kOwn);
        return ok();
      });
}

grpc::ServerBidiReactor<pb::FillVolumeRequest, pb::Progress>* ClientService::FillVolume(
    Context* context) {
  Result<Peer> peer = identify(parts_.gate, *context, "FillVolume");
  if (!peer) return new RefuseBidi<pb::FillVolumeRequest, pb::Progress>(to_status(peer.error()));
  return FillVolumeCall::start(parts_, std::move(*peer));
}

grpc::ServerUnaryReactor* ClientService::ReturnVolume(Context* context,
                                                      const pb::ReturnVolumeRequest* request,
                                                      pb::VolumeInfo* reply) {
  return on_worker(
      parts_, context, "ReturnVolume",
      [=, &storage = parts_.storage, &quotas = parts_.quotas](const Who& who) -> Status {
        std::string owner;
        for (const storage::RemovedVolume& removed : TRY(storage.removed_volumes())) {
          if (removed.name == request->name()) owner = removed.owner;
        }
        if (!who.admin && owner != who.user) {
          return Error{Code::kNotFound,
                       fmt::format("no removed volume '{}' of yours is kept", request->name()),
                       "devrun volume ls --removed"};
        }
        TRY(check_returned_volume(quotas, storage, owner, request->name()));
        TRY(storage.return_volume(request->name()));
        *reply = volume_info(TRY(storage.volume(request->name())), Level::kOwn);
        return ok();
      });
}

grpc::ServerUnaryReactor* ClientService::GetUsage(Context* context,
                                                  const pb::GetUsageRequest* request,
                                                  pb::GetUsageReply* reply) {
  return on_worker(parts_, context, "GetUsage",
                   [=, &storage = parts_.storage](const Who& who) -> Status {
                     if (!request->volume().empty())
                       TRY(check_volume(storage, who, request->volume()));
                     const storage::StoreUsage usage = TRY(storage.usage());
                     reply->set_store_bytes(usage.store_bytes);
                     reply->set_store_free_bytes(usage.store_free_bytes);
                     for (const storage::VolumeUsage& one : usage.volumes) {
                       if (!request->volume().empty() && one.name != request->volume()) continue;
                       if (!check_volume(storage, who, one.name)) continue;
                       pb::VolumeUsage* out = reply->add_volumes();
                       out->set_name(one.name);
                       out->set_live_bytes(one.live_bytes);
                       out->set_own_bytes(one.own_bytes);
                       out->set_shared_bytes(one.shared_bytes);
                       out->set_snapshots(one.snapshots);
                       out->set_quota_bytes(one.quota_bytes);
                     }
                     return ok();
                   });
}

grpc::ServerUnaryReactor* ClientService::SetQuota(Context* context,
                                                  const pb::SetQuotaRequest* request,
                                                  pb::VolumeInfo* reply) {
  return on_worker(parts_, context, "SetQuota",
                   [=, &storage = parts_.storage](const Who& who) -> Status {
                     if (request->quota_bytes() < 0)
                       return Error{Code::kInvalid, "a quota below 0", {}};
                     TRY(check_volume(storage, who, request->volume()));
                     TRY(storage.set_quota(request->volume(), request->quota_bytes()));
                     *reply = volume_info(TRY(storage.volume(request->volume())), Level::kOwn);
                     return ok();
                   });
}

grpc::ServerUnaryReactor* ClientService::ListSnapshots(Context* context,
                                                       const pb::ListSnapshotsRequest* request,
                                                       pb::ListSnapshotsReply* reply) {
  const auto jobs = std::make_shared<JobsOfTrees>();
  return on_worker(
      parts_, context, "ListSnapshots",
      [=](const State& state, const Who& who, Time) {
        *jobs = jobs_of_volume(
            state, who,
            request->volume().empty() && who.from ? who.from->volume : request->volume());
        return ok();
      },
      [=, &storage = parts_.storage, &archive = parts_.archive](const Who& who) -> Status {
        const std::string volume = TRY(volume_of_request(storage, who, request->volume()));
        // Those are told by number alone: whose they are is not known here.
        if (check_volume(storage, who, volume, Level::kOwn)) {
          add_jobs(*jobs, TRY(archive.trees(volume, {}, kArchivedJobsMax)));
        }
        for (const storage::SnapshotRecord& record : TRY(storage.snapshots(volume))) {
          *reply->add_snapshots() = snapshot_info(volume, record, *jobs);
        }
        return ok();
      });
}

grpc::ServerUnaryReactor* ClientService::CreateSnapshot(Context* context,
                                                        const pb::CreateSnapshotRequest* request,
                                                        pb::SnapshotInfo* reply) {
  return on_worker(
      parts_, context, "CreateSnapshot",
      [=](const State&, const Who&, Time) { return check_message(request->message()); },
      [=, &storage = parts_.storage](const Who& who) -> Status {
        const std::string volume = TRY(volume_of_request(storage, who, request->volume()));
        *reply = snapshot_info(volume, TRY(storage.keep_snapshot(volume, request->message())));
        return ok();
      });
}

grpc::ServerUnaryReactor* ClientService::RemoveSnapshot(Context* context,
                                                        const pb::RemoveSnapshotRequest* request,
                                                        pb::SnapshotInfo* reply) {
  const auto unended = std::make_shared<std::vector<std::pair<JobId, Root>>>();
  return on_worker(
      parts_, context, "RemoveSnapshot",
      [=](const State& state, const Who&, Time) {
        for (const auto& [id, job] : state.jobs) {
          if (!job.outcome) unended->emplace_back(id, job.spec.root);
        }
        return ok();
      },
      [=, &storage = parts_.storage](const Who& who) -> Status {
        const std::string volume = TRY(volume_of_request(storage, who, request->name().volume()));
        const storage::SnapshotName name = name_of(volume, request->name());
        const storage::SnapshotRecord record = TRY(storage.find_snapshot(name));
        for (const auto& [id, root] : *unended) {
          if (root.volume != volume || root.tree != record.tree) continue;
          return Error{
              Code::kConflict,
              fmt::format("job {} uses {}@{} and has not ended", id, volume, record.number),
              fmt::format("devrun cancel {}", id)};
        }
        *reply = snapshot_info(volume, TRY(storage.remove_snapshot(name)));
        return ok();
      });
}

grpc::ServerWriteReactor<pb::Progress>* ClientService::RestoreSnapshot(
    Context* context, const pb::RestoreSnapshotRequest* request) {
  return with_progress(
      context, "RestoreSnapshot",
      [&storage = parts_.storage, request = *request](const Who& who, storage::Work& work,
                                                      pb::Progress& last) -> Status {
        const std::string volume = TRY(volume_of_request(storage, who, request.name().volume()));
        if (request.name().snapshot().empty()) {
          return Error{Code::kInvalid, "restore which snapshot?", "devrun snapshot ls " + volume};
        }
        std::vector<std::string> paths;
        for (const std::string& path : request.paths()) {
          paths.push_back(TRY(storage::path_in_volume(path)));
        }
        work.tell_passing("comparing");  // as above
        const storage::Restored done =
            TRY(storage.restore(name_of(volume, request.name()), paths, work));
        *last.mutable_before() = snapshot_info(volume, done.before);
        last.set_files(done.entries);
        return ok();
      });
}

grpc::ServerWriteReactor<pb::DiffSnapshotsReply>* ClientService::DiffSnapshots(
    Context* context, const pb::DiffSnapshotsRequest* request) {
  return stream<pb::DiffSnapshotsReply>(
      context, "DiffSnapshots",
      [&storage = parts_.storage, request = *request](
          const Who& who, WorkerStream<pb::DiffSnapshotsReply>& stream) -> Status {
        const std::string before = TRY(volume_of_request(storage, who, request.before().volume()));
        const std::string after = TRY(volume_of_request(storage, who, request.after().volume()));
        pb::DiffSnapshotsReply reply;
        const auto begin = [&](const storage::SnapshotRecord& one,
                               const storage::SnapshotRecord& other) -> Status {
          *reply.mutable_before() = snapshot_info(before, one);
          *reply.mutable_after() = snapshot_info(after, other);
          return ok();
        };
        const auto tell = [&](const tree::Difference& difference) -> Status {
          *reply.add_changes() = tree_change(difference);
          if (static_cast<size_t>(reply.changes_size()) < kChangesPerReply) return ok();
          if (!stream.push(std::move(reply))) return Error{Code::kCancelled, "interrupted", {}};
          reply = {};
          return ok();
        };
        TRY(storage.diff(name_of(before, request.before()), name_of(after, request.after()), begin,
                         tell));
        stream.push(std::move(reply));
        return ok();
      });
}

grpc::ServerWriteReactor<pb::FileBytes>* ClientService::ReadSnapshotFile(
    Context* context, const pb::ReadSnapshotFileRequest* request) {
  return stream<pb::FileBytes>(
      context, "ReadSnapshotFile",
      [&storage = parts_.storage, request = *request](
          const Who& who, WorkerStream<pb::FileBytes>& stream) -> Status {
        const std::string volume = TRY(volume_of_request(storage, who, request.name().volume()));
        const std::string path = TRY(storage::path_in_volume(request.path()));
        const uint64_t bytes_max =
            request.bytes_max() == 0 ? kFileBytesMax : std::min(request.bytes_max(), kFileBytesMax);
        const auto send = [&](std::string_view bytes) -> Status {
          pb::FileBytes piece;
          piece.set_data(std::string(bytes));
          if (!stream.push(std::move(piece))) return Error{Code::kCancelled, "interrupted", {}};
          return ok();
        };
        return storage.read_file(name_of(volume, request.name()), path, bytes_max, send);
      });
}

}  // namespace devrun::controller
