// The calls of Controller about kinds of paths, and about what jobs wrote.
#include <fmt/format.h>

#include "cli/client/call.h"
#include "cli/client/own_tree.h"
#include "cli/client/records_wire.h"
#include "common/wire/job.h"

namespace devrun::cli {

namespace pb = devrun::v1;

namespace {

Result<VolumePathsRecord> from_proto(const pb::VolumePaths& in) {
  VolumePathsRecord out;
  out.volume = in.volume();
  out.defaults = TRY(wire::path_rules_from(in.defaults()));
  out.set = TRY(wire::path_rules_from(in.set()));
  for (const pb::SitePath& site : in.sites()) {
    out.sites.push_back({site.path(), {site.nodes().begin(), site.nodes().end()}});
  }
  return out;
}

pb::ChangesOf to_proto(const JobPart& in) {
  pb::ChangesOf out;
  out.set_job(in.job);
  if (in.task) out.set_task(*in.task);
  if (in.rank) out.set_rank(*in.rank);
  if (in.attempt) out.set_attempt(*in.attempt);
  return out;
}

pb::TreeName to_proto(const TreeName& in) {
  pb::TreeName out;
  if (const auto* job = std::get_if<JobPart>(&in.of)) {
    *out.mutable_job() = to_proto(*job);
  } else {
    const auto& snapshot = std::get<SnapshotName>(in.of);
    out.mutable_snapshot()->set_volume(snapshot.volume);
    out.mutable_snapshot()->set_snapshot(snapshot.snapshot);
  }
  out.set_left(in.left);
  return out;
}

Result<ChangeSetRecord> from_proto(const pb::ChangeSetInfo& in) {
  return ChangeSetRecord{TRY(wire::from_proto(in.key())),
                         in.volume(),
                         in.complete(),
                         in.applies(),
                         in.runs(),
                         Time{in.changed_us()}};
}

JobChangeRecord from_proto(const pb::JobChange& in) {
  JobChangeRecord out;
  out.path = "/" + in.path();
  out.kind = static_cast<char>(in.kind());
  out.state = in.state() == pb::JobChange::HOME       ? JobChangeRecord::State::kHome
              : in.state() == pb::JobChange::CONFLICT ? JobChangeRecord::State::kConflict
                                                      : JobChangeRecord::State::kKept;
  out.type = type_letter(in.type_after() != 0 ? in.type_after() : in.type_before());
  out.size_before = in.size_before();
  out.size_after = in.size_after();
  return out;
}

Result<std::vector<TakenRecord>> taken_of(const pb::Progress& last) {
  std::vector<TakenRecord> out;
  for (const pb::TakenInfo& in : last.taken()) {
    TakenRecord one{TRY(wire::from_proto(in.key())),
                    in.files(),
                    in.bytes(),
                    in.beside(),
                    {},
                    in.conflicts_in_all()};
    for (const std::string& path : in.conflicts()) one.conflicts.push_back("/" + path);
    out.push_back(std::move(one));
  }
  return out;
}

}  // namespace

Result<JobPart> parse_job_part(const std::string& text) {
  const AttemptKey key = TRY(parse_attempt_key(text));
  JobPart out{key.job};
  if (key.task != kNoTask) out.task = key.task;
  if (text.find('.') != std::string::npos) out.rank = key.rank;
  if (text.find('#') != std::string::npos) out.attempt = key.attempt;
  return out;
}

std::string to_string(const JobPart& part) {
  std::string out = fmt::format("{}", part.job);
  if (part.task) out += fmt::format("_{}", *part.task);
  if (part.rank) out += fmt::format(".{}", *part.rank);
  if (part.attempt) out += fmt::format("#{}", *part.attempt);
  return out;
}

Status Controller::list_changes(const ChangesQuery& query,
                                const std::function<Status(const ChangeSetRecord&)>& begin,
                                const std::function<Status(const JobChangeRecord&)>& change) {
  pb::ListChangesRequest request;
  *request.mutable_of() = to_proto(query.of);
  for (const std::string& path : query.paths) request.add_paths(path);
  request.set_fresh(query.fresh);
  grpc::ClientContext context;
  const auto reader = connection_->stub->ListChanges(&context, request);
  pb::ListChangesReply reply;
  Status told = ok();
  while (told && reader->Read(&reply)) {
    if (reply.has_set()) {
      const Result<ChangeSetRecord> set = from_proto(reply.set());
      told = set ? begin(*set) : Status(set.error());
    }
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

Result<std::vector<TakenRecord>> Controller::take_changes(const TakeWish& wish,
                                                          const ProgressWords& words) {
  if (target_.through_socket) TRY(send_what_is_written());
  pb::TakeChangesRequest request;
  *request.mutable_of() = to_proto(wish.of);
  for (const std::string& path : wish.paths) request.add_paths(path);
  request.set_beside(wish.beside);
  request.set_over(wish.over);
  grpc::ClientContext context;
  const auto reader = connection_->stub->TakeChanges(&context, request);
  const pb::Progress last = read_progress(*reader, words);
  const grpc::Status status = reader->Finish();
  if (!status.ok()) return call_error(status, target_);
  return taken_of(last);
}

Result<std::vector<TakenRecord>> Controller::undo_changes(const JobPart& of,
                                                          const ProgressWords& words) {
  if (target_.through_socket) TRY(send_what_is_written());
  pb::UndoChangesRequest request;
  *request.mutable_of() = to_proto(of);
  grpc::ClientContext context;
  const auto reader = connection_->stub->UndoChanges(&context, request);
  const pb::Progress last = read_progress(*reader, words);
  const grpc::Status status = reader->Finish();
  if (!status.ok()) return call_error(status, target_);
  return taken_of(last);
}

Status Controller::compare_trees(const TreeName& before, const TreeName& after,
                                 const std::function<void(const Digest&, const Digest&)>& begin,
                                 const std::function<Status(const ChangeRecord&)>& change) {
  if (target_.through_socket) TRY(send_what_is_written());
  pb::CompareTreesRequest request;
  *request.mutable_before() = to_proto(before);
  *request.mutable_after() = to_proto(after);
  grpc::ClientContext context;
  const auto reader = connection_->stub->CompareTrees(&context, request);
  pb::CompareTreesReply reply;
  Status told = ok();
  while (told && reader->Read(&reply)) {
    const auto one = Digest::from_bytes(reply.before());
    const auto other = Digest::from_bytes(reply.after());
    if (one && other && begin) begin(*one, *other);
    for (int i = 0; told && i < reply.changes_size(); ++i) {
      told = change(cli::from_proto(reply.changes(i)));
    }
  }
  if (!told) context.TryCancel();
  const grpc::Status status = reader->Finish();
  if (!told) return told;
  if (!status.ok()) return call_error(status, target_);
  return ok();
}

Result<std::string> Controller::read_tree_file(const TreeName& tree, const std::string& path,
                                               uint64_t bytes_max) {
  pb::ReadTreeFileRequest request;
  *request.mutable_tree() = to_proto(tree);
  request.set_path(path);
  request.set_bytes_max(bytes_max);
  grpc::ClientContext context;
  const auto reader = connection_->stub->ReadTreeFile(&context, request);
  std::string out;
  pb::FileBytes piece;
  while (reader->Read(&piece)) out += piece.data();
  const grpc::Status status = reader->Finish();
  if (!status.ok()) return call_error(status, target_);
  return out;
}

Result<VolumePathsRecord> Controller::volume_paths(const std::string& volume,
                                                   const std::string& home,
                                                   const std::string& cwd) {
  pb::GetVolumePathsRequest request;
  request.set_volume(volume);
  request.set_home(home);
  request.set_cwd(cwd);
  return from_proto(TRY(unary_call(connection_->calls, *connection_->stub, target_,
                                   &pb::Client::Stub::GetVolumePaths, request, kCallLimit)));
}

Result<VolumePathsRecord> Controller::set_volume_paths(const PathsChange& change,
                                                       const std::string& home,
                                                       const std::string& cwd) {
  pb::SetVolumePathsRequest request;
  request.set_volume(change.volume);
  for (const PathRule& rule : change.set) *request.add_set() = wire::to_proto(rule);
  for (const PathRule& rule : change.unset) *request.add_unset() = wire::to_proto(rule);
  request.set_home(home);
  request.set_cwd(cwd);
  return from_proto(TRY(unary_call(connection_->calls, *connection_->stub, target_,
                                   &pb::Client::Stub::SetVolumePaths, request, kCallLimit)));
}

}  // namespace devrun::cli
