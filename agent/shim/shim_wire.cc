#include "agent/shim/shim_wire.h"

#include "common/wire/job.h"
#include "devrun/v1/node.pb.h"

namespace devrun::shim {

namespace {

namespace pb = devrun::v1;

template <class... Ts>
struct Overloaded : Ts... {
  using Ts::operator()...;
};
template <class... Ts>
Overloaded(Ts...) -> Overloaded<Ts...>;

template <typename Message>
Status parse(Message& message, std::string_view bytes, std::string_view what) {
  if (!message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return Error{Code::kCorrupt, std::string(what) + " cannot be read", {}};
  }
  return ok();
}

void fill(pb::Hello& out, const Peer& in) {
  out.set_program(in.program);
  out.set_version(in.version);
}

void fill(pb::ExitRecord& out, const ExitRecord& in) {
  *out.mutable_ending() = wire::to_proto(in.ending);
  out.set_output_bytes(in.output_bytes);
  out.set_ended_us(in.ended.us);
  out.set_started_us(in.started.us);
  out.set_first_byte_us(in.first_byte.us);
  if (in.usage) *out.mutable_usage() = wire::to_proto(*in.usage);
}

Result<ExitRecord> exit_of(const pb::ExitRecord& in) {
  ExitRecord out;
  out.ending = TRY(wire::from_proto(in.ending()));
  out.output_bytes = in.output_bytes();
  out.ended.us = in.ended_us();
  out.started.us = in.started_us();
  out.first_byte.us = in.first_byte_us();
  if (in.has_usage()) out.usage = wire::from_proto(in.usage());
  return out;
}

void fill(pb::ShimState& out, const ShimState& in) {
  out.set_container_pid(in.container_pid);
  out.set_started_us(in.started.us);
  out.set_first_byte_us(in.first_byte.us);
  out.set_stdin_offset(in.stdin_offset);
  out.set_output_bytes(in.output_bytes);
  out.set_setup_done(in.setup_done);
  out.set_stays(in.stays);
  if (!in.ending) return;
  out.set_ended(true);
  fill(*out.mutable_exit(),
       ExitRecord{*in.ending, in.output_bytes, in.ended, in.started, in.first_byte});
}

Result<ShimState> state_of(const pb::ShimState& in) {
  ShimState out;
  out.container_pid = in.container_pid();
  out.started.us = in.started_us();
  out.first_byte.us = in.first_byte_us();
  out.stdin_offset = in.stdin_offset();
  out.output_bytes = in.output_bytes();
  out.setup_done = in.setup_done();
  out.stays = in.stays();
  if (!in.ended()) return out;
  const ExitRecord exit = TRY(exit_of(in.exit()));
  out.ending = exit.ending;
  out.ended = exit.ended;
  return out;
}

}  // namespace

std::string encode(Request&& request) {
  pb::ShimRequest out;
  std::visit(Overloaded{
                 [](std::monostate) {},
                 [&](const Peer& in) { fill(*out.mutable_hello(), in); },
                 [&](StdinData& in) {
                   out.mutable_stdin()->set_offset(in.offset);
                   out.mutable_stdin()->set_data(std::move(in.data));
                   out.mutable_stdin()->set_eof(in.eof);
                 },
                 [&](const TerminalSize& in) { *out.mutable_resize() = wire::to_proto(in); },
                 [&](const SignalOrder& in) {
                   out.mutable_signal()->set_signal(in.signal);
                   out.mutable_signal()->set_whole(in.whole);
                 },
                 [&](const GoOrder&) { out.set_go(true); },
                 [&](const FirstRankEndedOrder&) { out.set_first_rank_ended(true); },
                 [&](const LeaseOrder& in) { out.set_lease_until_us(in.until.us); },
             },
             request);
  return out.SerializeAsString();
}

std::string encode(const News& news) {
  pb::ShimNews out;
  std::visit(Overloaded{
                 [](std::monostate) {},
                 [&](const Peer& in) { fill(*out.mutable_hello(), in); },
                 [&](const ShimState& in) { fill(*out.mutable_state(), in); },
                 [&](const OutputGrew& in) { out.set_output_bytes(in.bytes); },
                 [&](const StdinTaken& in) { out.set_stdin_taken(in.offset); },
                 [&](const StdinClosed&) { out.set_stdin_closed(true); },
             },
             news);
  return out.SerializeAsString();
}

Result<Request> parse_request(std::string_view bytes) {
  pb::ShimRequest in;
  TRY(parse(in, bytes, "a request to the shim"));
  switch (in.kind_case()) {
    case pb::ShimRequest::kHello:
      return Request{Peer{in.hello().program(), in.hello().version()}};
    case pb::ShimRequest::kStdin: {
      StdinData data{in.stdin().offset(), std::move(*in.mutable_stdin()->mutable_data()),
                     in.stdin().eof()};
      return Request{std::move(data)};
    }
    case pb::ShimRequest::kResize:
      return Request{wire::from_proto(in.resize())};
    case pb::ShimRequest::kSignal:
      return Request{SignalOrder{in.signal().signal(), in.signal().whole()}};
    case pb::ShimRequest::kGo:
      return Request{GoOrder{}};
    case pb::ShimRequest::kFirstRankEnded:
      return Request{FirstRankEndedOrder{}};
    case pb::ShimRequest::kLeaseUntilUs:
      return Request{LeaseOrder{{in.lease_until_us()}}};
    case pb::ShimRequest::KIND_NOT_SET:
      break;
  }
  return Request{};
}

Result<News> parse_news(std::string_view bytes) {
  pb::ShimNews in;
  TRY(parse(in, bytes, "news of the shim"));
  switch (in.kind_case()) {
    case pb::ShimNews::kHello:
      return News{Peer{in.hello().program(), in.hello().version()}};
    case pb::ShimNews::kState:
      return News{TRY(state_of(in.state()))};
    case pb::ShimNews::kOutputBytes:
      return News{OutputGrew{in.output_bytes()}};
    case pb::ShimNews::kStdinTaken:
      return News{StdinTaken{in.stdin_taken()}};
    case pb::ShimNews::kStdinClosed:
      return News{StdinClosed{}};
    case pb::ShimNews::KIND_NOT_SET:
      break;
  }
  return News{};
}

std::string encode(const ExitRecord& record) {
  pb::ExitRecord out;
  fill(out, record);
  return out.SerializeAsString();
}

Result<ExitRecord> parse_exit_record(std::string_view bytes) {
  pb::ExitRecord in;
  TRY(parse(in, bytes, "the exit record"));
  return exit_of(in);
}

}  // namespace devrun::shim
