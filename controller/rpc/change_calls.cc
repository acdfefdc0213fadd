// The calls of ClientService about what jobs wrote: listing it, taking it into the volume and out of
// it, and comparing what jobs and volumes hold.
#include <fmt/format.h>

#include <algorithm>

#include "common/wire/job.h"
#include "controller/rpc/changes_of.h"
#include "controller/rpc/client_stream.h"
#include "controller/rpc/live_rights.h"
#include "controller/rpc/snapshot_info.h"
#include "controller/rpc/volume_access.h"
#include "controller/storage/home.h"
#include "controller/storage/tree_writer.h"
#include "controller/storage/work.h"

namespace devrun::controller {

namespace {

constexpr size_t kChangesPerReply = 512;
constexpr uint64_t kFileBytesMax = 64 << 20;
constexpr size_t kConflictsToldMax = 1000;
// Somebody looks on.
constexpr Duration kFreshAtMost = milliseconds(1500);
// What a node could not store before may be gigabytes.
constexpr Duration kStoredAtMost = seconds(600);

Error interrupted() {
  return {Code::kCancelled, "interrupted", {}};
}

Result<std::vector<std::string>> paths_of(
    const google::protobuf::RepeatedPtrField<std::string>& in) {
  std::vector<std::string> out;
  for (const std::string& path : in) out.push_back(TRY(storage::path_in_volume(path)));
  return out;
}

// Those of the meant attempts that have a change set.
Result<std::vector<MeantAttempt>> stored(storage::Storage& storage, const Meant& meant) {
  const std::vector<AttemptKey> sets = TRY(storage.change_sets(meant.job));
  std::vector<MeantAttempt> out;
  for (const MeantAttempt& one : meant.attempts) {
    if (std::ranges::count(sets, one.key) != 0) out.push_back(one);
  }
  return out;
}

pb::JobChange to_proto(const storage::Change& change) {
  pb::JobChange out;
  out.set_path(change.path);
  out.set_kind(static_cast<unsigned char>(change.kind));
  out.set_state(static_cast<pb::JobChange::State>(change.state));
  if (change.before != nullptr) {
    out.set_type_before(static_cast<uint32_t>(change.before->type));
    out.set_size_before(change.before->size);
  }
  if (change.after != nullptr) {
    out.set_type_after(static_cast<uint32_t>(change.after->type));
    out.set_size_after(change.after->size);
  }
  return out;
}

pb::TakenInfo to_proto(const AttemptKey& key, const storage::Taken& taken, size_t& told) {
  pb::TakenInfo out;
  *out.mutable_key() = wire::to_proto(key);
  out.set_files(taken.files);
  out.set_bytes(taken.bytes);
  out.set_beside(taken.beside);
  out.set_conflicts_in_all(taken.conflicts_in_all);
  for (const std::string& path : taken.conflicts) {
    if (told == kConflictsToldMax) break;
    out.add_conflicts(path);
    ++told;
  }
  return out;
}

Status tell_set(storage::Storage& storage, const MeantAttempt& one,
                const std::vector<std::string>& only, WorkerStream<pb::ListChangesReply>& stream) {
  const storage::ChangeSet set = TRY(storage.change_set(one.key));
  pb::ListChangesReply reply;
  pb::ChangeSetInfo& info = *reply.mutable_set();
  *info.mutable_key() = wire::to_proto(set.key);
  info.set_volume(set.volume);
  info.set_complete(set.complete);
  info.set_applies(set.applies);
  info.set_changed_us(set.changed.us);
  info.set_runs(one.runs);
  TRY(storage.changes(one.key, only, [&](const storage::Change& change) -> Status {
    *reply.add_changes() = to_proto(change);
    if (static_cast<size_t>(reply.changes_size()) < kChangesPerReply) return ok();
    if (!stream.push(std::move(reply))) return interrupted();
    reply = {};
    return ok();
  }));
  if (!stream.push(std::move(reply))) return interrupted();
  return ok();
}

// A path that no job has written is a slip of the pen, not nothing to do.
Status check_paths(storage::Storage& storage, const std::vector<MeantAttempt>& sets,
                   const std::vector<std::string>& paths) {
  for (const std::string& path : paths) {
    bool found = false;
    for (const MeantAttempt& one : sets) {
      TRY(storage.changes(one.key, {path}, [&](const storage::Change&) {
        found = true;
        return ok();
      }));
      if (found) break;
    }
    if (found) continue;
    const std::string job = sets.empty() ? "the job" : fmt::format("job {}", sets[0].key.job);
    return Error{Code::kNotFound, fmt::format("{} has not written /{}", job, path),
                 sets.empty() ? "" : fmt::format("devrun changes {}", sets[0].key.job)};
  }
  return ok();
}

// Of the newest attempts unless one is named.
std::vector<MeantAttempt> newest_of(const Meant& meant, const pb::ChangesOf& of) {
  std::vector<MeantAttempt> out = meant.attempts;
  if (!of.has_attempt()) std::erase_if(out, [](const MeantAttempt& one) { return !one.is_newest; });
  return out;
}

// What is still on the nodes is stored first.
Status fetch_missing(const Parts& parts, const std::vector<MeantAttempt>& attempts,
                     storage::Work& work) {
  RoundWish wish{{}, kStoredAtMost, true};
  for (const MeantAttempt& one : attempts) {
    if (one.runs) continue;
    const auto set = parts.storage.change_set(one.key);
    if (set ? !set->complete : one.has_failed) wish.attempts.push_back(one);
  }
  if (wish.attempts.empty()) return ok();
  work.tell(fmt::format("asking {} for what is not in the store yet", wish.attempts[0].node));
  return await_rounds(parts, wish);
}

struct Trees {
  storage::Storage& storage;
  CoreLoop& core;
  const Who& who;

  Result<Digest> find(const pb::TreeName& name) const {
    if (name.kind_case() == pb::TreeName::kJob) return of_job(name);
    const std::string volume = TRY(volume_of_request(storage, who, name.snapshot().volume()));
    if (name.snapshot().snapshot().empty()) return TRY(storage.take_snapshot(volume)).tree;
    return TRY(storage.find_snapshot({volume, name.snapshot().snapshot()})).tree;
  }

 private:
  Result<Digest> of_job(const pb::TreeName& name) const {
    const Meant meant = TRY(find_meant(core, who, name.job()));
    TRY(volume_of_request(storage, who, meant.volume));
    const std::vector<MeantAttempt> newest = newest_of(meant, name.job());
    if (newest.empty()) return meant.root;
    const auto set = storage.change_set(newest[0].key);
    if (set) return name.left() ? set->ended_with() : set->began_with();
    if (set.error().code != Code::kNotFound) return set.error();
    return newest[0].root;
  }
};

}  // namespace

grpc::ServerWriteReactor<pb::ListChangesReply>* ClientService::ListChanges(
    Context* context, const pb::ListChangesRequest* request) {
  return stream<pb::ListChangesReply>(
      context, "ListChanges",
      [parts = parts_, request = *request](const Who& who,
                                           WorkerStream<pb::ListChangesReply>& stream) -> Status {
        const Meant meant = TRY(find_meant(parts.core, who, request.of()));
        const std::vector<std::string> only = TRY(paths_of(request.paths()));
        if (request.fresh()) {
          RoundWish wish{meant.attempts, kFreshAtMost, false};
          std::erase_if(wish.attempts, [](const MeantAttempt& one) { return !one.runs; });
          if (!wish.attempts.empty()) (void)await_rounds(parts, wish);  // what there is will do
        }
        const std::vector<MeantAttempt> sets = TRY(stored(parts.storage, meant));
        TRY(check_paths(parts.storage, sets, only));
        for (const MeantAttempt& one : sets) TRY(tell_set(parts.storage, one, only, stream));
        return ok();
      });
}

grpc::ServerWriteReactor<pb::Progress>* ClientService::TakeChanges(
    Context* context, const pb::TakeChangesRequest* request) {
  return with_progress(
      context, "TakeChanges",
      [parts = parts_, request = *request](const Who& who, storage::Work& work,
                                           pb::Progress& last) -> Status {
        if (request.beside() && request.over()) {
          return Error{Code::kInvalid, "beside and over do not go together", {}};
        }
        Meant meant = TRY(find_meant(parts.core, who, request.of()));
        TRY(check_volume(parts.storage, who, meant.volume));
        work.tell_passing("comparing");  // the first word to who may (call_witness.h)
        meant.attempts = newest_of(meant, request.of());
        const std::vector<std::string> paths = TRY(paths_of(request.paths()));
        if (paths.empty()) {
          TRY(fetch_missing(parts, meant.attempts, work));
          // That took as long as the nodes took: the name may be another volume's, and the right be gone.
          TRY(check_volume(parts.storage, who, meant.volume));
          const storage::VolumeInfo volume = TRY(parts.storage.volume(meant.volume));
          if (!may_write(parts.accounts, who.user, volume)) {
            return Error{
                Code::kDenied,
                fmt::format("volume '{}' is not '{}'s to write any more", meant.volume, who.user),
                "devrun volume ls"};
          }
        }
        const std::vector<MeantAttempt> sets = TRY(stored(parts.storage, meant));
        TRY(check_paths(parts.storage, sets, paths));
        size_t told = 0;
        for (const MeantAttempt& one : sets) {
          if (work.stopped()) return interrupted();
          const storage::TakeRequest take{one.key, paths, request.beside(), request.over()};
          *last.add_taken() = to_proto(one.key, TRY(parts.storage.take_changes(take, work)), told);
        }
        return ok();
      });
}

grpc::ServerWriteReactor<pb::Progress>* ClientService::UndoChanges(
    Context* context, const pb::UndoChangesRequest* request) {
  return with_progress(
      context, "UndoChanges",
      [parts = parts_, request = *request](const Who& who, storage::Work& work,
                                           pb::Progress& last) -> Status {
        const Meant meant = TRY(find_meant(parts.core, who, request.of()));
        TRY(check_volume(parts.storage, who, meant.volume));
        work.tell_passing("comparing");  // as above
        for (const MeantAttempt& one : meant.attempts) {
          if (!one.runs) continue;
          return Error{
              Code::kConflict,
              fmt::format("job {} still runs, and what it writes comes home", to_string(one.key)),
              fmt::format("devrun cancel {}", to_string(one.key.task_key()))};
        }
        std::vector<MeantAttempt> sets = TRY(stored(parts.storage, meant));
        std::ranges::reverse(sets);
        size_t told = 0;
        for (const MeantAttempt& one : sets) {
          if (work.stopped()) return interrupted();
          *last.add_taken() =
              to_proto(one.key, TRY(parts.storage.undo_changes(one.key, work)), told);
        }
        return ok();
      });
}

grpc::ServerWriteReactor<pb::CompareTreesReply>* ClientService::CompareTrees(
    Context* context, const pb::CompareTreesRequest* request) {
  return stream<pb::CompareTreesReply>(
      context, "CompareTrees",
      [parts = parts_, request = *request](const Who& who,
                                           WorkerStream<pb::CompareTreesReply>& stream) -> Status {
        const Trees trees{parts.storage, parts.core, who};
        const Digest before = TRY(trees.find(request.before()));
        const Digest after = TRY(trees.find(request.after()));
        pb::CompareTreesReply reply;
        reply.set_before(std::string(before.view()));
        reply.set_after(std::string(after.view()));
        TRY(parts.storage.diff_trees(
            before, after, [&](const tree::Difference& difference) -> Status {
              *reply.add_changes() = tree_change(difference);
              if (static_cast<size_t>(reply.changes_size()) < kChangesPerReply) return ok();
              if (!stream.push(std::move(reply))) return interrupted();
              reply = {};
              return ok();
            }));
        stream.push(std::move(reply));
        return ok();
      });
}

grpc::ServerWriteReactor<pb::FileBytes>* ClientService::ReadTreeFile(
    Context* context, const pb::ReadTreeFileRequest* request) {
  return stream<pb::FileBytes>(
      context, "ReadTreeFile",
      [parts = parts_, request = *request](const Who& who,
                                           WorkerStream<pb::FileBytes>& stream) -> Status {
        const Trees trees{parts.storage, parts.core, who};
        const Digest tree = TRY(trees.find(request.tree()));
        const std::string path = TRY(storage::path_in_volume(request.path()));
        const uint64_t bytes_max =
            request.bytes_max() == 0 ? kFileBytesMax : std::min(request.bytes_max(), kFileBytesMax);
        return parts.storage.read_tree_file(tree, path, bytes_max,
                                            [&](std::string_view bytes) -> Status {
                                              pb::FileBytes piece;
                                              piece.set_data(std::string(bytes));
                                              if (!stream.push(std::move(piece)))
                                                return interrupted();
                                              return ok();
                                            });
      });
}

}  // namespace devrun::controller
