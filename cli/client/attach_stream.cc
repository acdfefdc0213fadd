#include "cli/client/attach_stream.h"

#include "cli/client/read_side.h"
#include "cli/client/records_wire.h"
#include "common/wire/job.h"

namespace devrun::cli {

namespace {

namespace pb = devrun::v1;

Result<AttachEnd> end_of(const pb::AttachEnd& in) {
  AttachEnd out;
  out.state = TRY(wire::from_proto(in.state()));
  if (in.has_ending()) out.ending = TRY(wire::from_proto(in.ending()));
  if (in.has_wrote()) out.wrote = wire::from_proto(in.wrote());
  out.timeline = wire::from_proto(in.timeline());
  out.output_missing = in.output_missing();
  return out;
}

Result<AttachNews> news_of(pb::AttachReply&& in) {
  switch (in.kind_case()) {
    case pb::AttachReply::kState:
      return AttachNews{AttachState{TRY(wire::from_proto(in.state().state())), in.state().node(),
                                    in.state().reason(), in.state().attempt(),
                                    in.state().missing_before()}};
    case pb::AttachReply::kOutput:
      return AttachNews{
          AttachOutput{in.output().offset(), std::move(*in.mutable_output()->mutable_data())}};
    case pb::AttachReply::kStdinTaken:
      return AttachNews{StdinTaken{in.stdin_taken()}};
    case pb::AttachReply::kStdinClosed:
      return AttachNews{StdinClosed{}};
    case pb::AttachReply::kEnd:
      return AttachNews{TRY(end_of(in.end()))};
    case pb::AttachReply::KIND_NOT_SET:
      break;
  }
  return Error{Code::kUnsupported, "the controller says something that this version does not know",
               "the devrun of the controller's version"};
}

class GrpcAttachStream : public AttachStream {
 public:
  GrpcAttachStream(pb::Client::Stub& stub, OpenCalls& calls, const Target& target,
                   const AttachStart& start)
      : side_(calls, target) {
    grpc::ClientContext* const context = side_.context();
    side_.set_stream(start.session ? stub.Exec(context) : stub.Attach(context));
    pb::AttachRequest request;
    auto& first = *request.mutable_start();
    first.set_job(start.what.job);
    first.set_task(start.what.task);
    first.set_rank(start.what.rank);
    first.set_output_from(start.output_from);
    first.set_write_stdin(start.write_stdin);
    if (start.begin) *first.mutable_begin() = to_proto(*start.begin);
    first.set_attempt(start.attempt);
    if (start.session) {
      auto& session = *first.mutable_session();
      session.set_id(start.session->id);
      if (!start.session->exists) {
        *session.mutable_program() = wire::to_proto(start.session->program);
        session.set_env(start.session->env);
      }
    }
    side_.stream().Write(request);
  }

  std::optional<AttachNews> read() override { return side_.read<AttachNews>(news_of); }
  Status finish() override { return side_.finish(); }

  bool send_stdin(uint64_t offset, std::string bytes, bool eof) override {
    pb::AttachRequest request;
    auto& chunk = *request.mutable_stdin();
    chunk.set_offset(offset);
    chunk.set_data(std::move(bytes));
    chunk.set_eof(eof);
    return side_.stream().Write(request);
  }
  bool send_resize(TerminalSize size) override {
    pb::AttachRequest request;
    *request.mutable_resize() = wire::to_proto(size);
    return side_.stream().Write(request);
  }
  bool send_signal(int signal) override {
    pb::AttachRequest request;
    request.set_signal(signal);
    return side_.stream().Write(request);
  }
  bool send_output_read(uint64_t offset) override {
    pb::AttachRequest request;
    request.set_output_read(offset);
    return side_.stream().Write(request);
  }

  bool send_hang_up() override {
    pb::AttachRequest request;
    request.set_hang_up(true);
    return side_.stream().Write(request);
  }

  bool send_keep() override {
    pb::AttachRequest request;
    request.set_keep(true);
    return side_.stream().Write(request);
  }

  void cancel() override { side_.cancel(); }

 private:
  ReadSide<grpc::ClientReaderWriter<pb::AttachRequest, pb::AttachReply>, pb::AttachReply> side_;
};

}  // namespace

std::unique_ptr<AttachStream> open_attach(pb::Client::Stub& stub, OpenCalls& calls,
                                          const Target& target, const AttachStart& start) {
  return std::make_unique<GrpcAttachStream>(stub, calls, target, start);
}

}  // namespace devrun::cli
