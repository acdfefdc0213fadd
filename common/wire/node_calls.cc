#include "common/wire/node_calls.h"

#include "common/wire/error.h"
#include "devrun/v1/node.pb.h"

namespace devrun::wire {

namespace {

template <typename... Cases>
struct Overloaded : Cases... {
  using Cases::operator()...;
};

Error malformed(std::string_view what) {
  return Error{Code::kInvalid, "a malformed " + std::string(what), {}};
}

void fill(v1::Hello* out, const Greeting& greeting) {
  out->set_program(greeting.program);
  out->set_version(greeting.version);
}

Greeting greeting_of(const v1::Hello& in) {
  return {in.program(), in.version()};
}

template <typename Message>
bool parse(Message& message, std::string_view payload) {
  return message.ParseFromArray(payload.data(), static_cast<int>(payload.size()));
}

}  // namespace

std::string encode(const KeeperCall& call) {
  v1::KeeperRequest out;
  std::visit(Overloaded{
                 [&](const Greeting& c) { fill(out.mutable_hello(), c); },
                 [&](const KeeperGet& c) { out.set_get(c.name); },
                 [&](const KeeperPut& c) { out.set_put(c.name); },
                 [&](const KeeperStop&) { out.set_stop(true); },
                 [&](const KeeperRun& c) {
                   v1::KeeperProgram& run = *out.mutable_run();
                   for (const std::string& word : c.words) run.add_words(word);
                   run.set_log(c.log);
                   run.set_pid_file(c.pid_file);
                 },
                 [&](const KeeperLook&) { out.set_look(true); },
             },
             call);
  return out.SerializeAsString();
}

Result<KeeperCall> decode_keeper_call(std::string_view payload) {
  v1::KeeperRequest in;
  if (!parse(in, payload)) return malformed("request to the keeper");
  switch (in.kind_case()) {
    case v1::KeeperRequest::kHello:
      return KeeperCall{greeting_of(in.hello())};
    case v1::KeeperRequest::kGet:
      return KeeperCall{KeeperGet{in.get()}};
    case v1::KeeperRequest::kPut:
      return KeeperCall{KeeperPut{in.put()}};
    case v1::KeeperRequest::kStop:
      return KeeperCall{KeeperStop{}};
    case v1::KeeperRequest::kRun: {
      const auto& words = in.run().words();
      return KeeperCall{
          KeeperRun{{words.begin(), words.end()}, in.run().log(), in.run().pid_file()}};
    }
    case v1::KeeperRequest::kLook:
      return KeeperCall{KeeperLook{}};
    case v1::KeeperRequest::KIND_NOT_SET:
      break;
  }
  return malformed("request to the keeper");
}

std::string encode(const KeeperAnswer& answer) {
  v1::KeeperReply out;
  std::visit(Overloaded{
                 [&](const Greeting& a) { fill(out.mutable_hello(), a); },
                 [&](const KeeperDone& a) {
                   if (a.mounted_at.empty()) {
                     out.set_done(true);
                   } else {
                     out.set_mounted_at(a.mounted_at);
                   }
                 },
                 [&](const KeeperSeen& a) {
                   v1::KeeperLook& look = *out.mutable_look();
                   look.set_pid(a.pid);
                   look.set_starts(a.starts);
                   look.set_given_up(a.given_up);
                 },
                 [&](const Refusal& a) { *out.mutable_error() = to_proto(a.error); },
             },
             answer);
  return out.SerializeAsString();
}

Result<KeeperAnswer> decode_keeper_answer(std::string_view payload) {
  v1::KeeperReply in;
  if (!parse(in, payload)) return malformed("reply of the keeper");
  switch (in.kind_case()) {
    case v1::KeeperReply::kHello:
      return KeeperAnswer{greeting_of(in.hello())};
    case v1::KeeperReply::kDone:
      return KeeperAnswer{KeeperDone{}};
    case v1::KeeperReply::kMountedAt:
      return KeeperAnswer{KeeperDone{in.mounted_at()}};
    case v1::KeeperReply::kLook:
      return KeeperAnswer{KeeperSeen{in.look().pid(), in.look().starts(), in.look().given_up()}};
    case v1::KeeperReply::kError:
      return KeeperAnswer{Refusal{from_proto(in.error())}};
    case v1::KeeperReply::KIND_NOT_SET:
      break;
  }
  return malformed("reply of the keeper");
}

std::string encode(const FsCall& call) {
  v1::FsRequest out;
  std::visit(Overloaded{
                 [&](const Greeting& c) { fill(out.mutable_hello(), c); },
                 [&](const FsPrepareTree& c) {
                   out.mutable_prepare()->set_tree(std::string(c.tree.view()));
                   for (const Digest& set : c.change_sets) {
                     out.mutable_prepare()->add_change_sets(std::string(set.view()));
                   }
                   out.mutable_prepare()->set_watch(c.watch);
                   if (c.run.id.empty()) return;
                   out.mutable_prepare()->mutable_run()->set_id(c.run.id);
                   for (const std::string& trace : c.run.traces) {
                     out.mutable_prepare()->mutable_run()->add_traces(trace);
                   }
                 },
                 [&](const FsCount&) { out.mutable_statistics(); },
                 [&](const FsEndRun& c) { out.mutable_end_run()->set_id(c.id); },
                 [&](const FsWatched& c) { out.set_watched(c.id); },
             },
             call);
  return out.SerializeAsString();
}

Result<FsCall> decode_fs_call(std::string_view payload) {
  v1::FsRequest in;
  if (!parse(in, payload)) return malformed("request to devrun-fs");
  switch (in.kind_case()) {
    case v1::FsRequest::kHello:
      return FsCall{greeting_of(in.hello())};
    case v1::FsRequest::kEndRun:
      return FsCall{FsEndRun{in.end_run().id()}};
    case v1::FsRequest::kWatched:
      return FsCall{FsWatched{in.watched()}};
    case v1::FsRequest::kStatistics:
      return FsCall{FsCount{}};
    case v1::FsRequest::kPrepare: {
      FsPrepareTree call;
      const std::optional<Digest> tree = Digest::from_bytes(in.prepare().tree());
      if (!tree) return malformed("tree id");
      call.tree = *tree;
      for (const std::string& raw : in.prepare().change_sets()) {
        const std::optional<Digest> set = Digest::from_bytes(raw);
        if (!set) return malformed("change set id");
        call.change_sets.push_back(*set);
      }
      const v1::FsRun& run = in.prepare().run();
      if (run.traces_size() > kFsRunTracesMax) return malformed("run");
      call.run = {run.id(), {run.traces().begin(), run.traces().end()}};
      call.watch = in.prepare().watch();
      return FsCall{std::move(call)};
    }
    case v1::FsRequest::KIND_NOT_SET:
      break;
  }
  return malformed("request to devrun-fs");
}

std::string encode(const FsAnswer& answer) {
  v1::FsReply out;
  std::visit(Overloaded{
                 [&](const Greeting& a) { fill(out.mutable_hello(), a); },
                 [&](const FsTreePath& a) {
                   out.mutable_prepared()->set_path(a.path);
                   for (const std::string& layer : a.layers) {
                     out.mutable_prepared()->add_layers(layer);
                   }
                 },
                 [&](const FsCounted& a) {
                   out.mutable_counters();
                   for (const auto& [name, value] : a) {
                     v1::Counter* counter = out.mutable_counters()->add_counters();
                     counter->set_name(name);
                     counter->set_value(value);
                   }
                 },
                 [&](const FsTrace& a) { out.set_trace(a.bytes); },
                 [&](const Refusal& a) { *out.mutable_error() = to_proto(a.error); },
             },
             answer);
  return out.SerializeAsString();
}

Result<FsAnswer> decode_fs_answer(std::string_view payload) {
  v1::FsReply in;
  if (!parse(in, payload)) return malformed("reply of devrun-fs");
  switch (in.kind_case()) {
    case v1::FsReply::kHello:
      return FsAnswer{greeting_of(in.hello())};
    case v1::FsReply::kPrepared:
      return FsAnswer{FsTreePath{in.prepared().path(),
                                 {in.prepared().layers().begin(), in.prepared().layers().end()}}};
    case v1::FsReply::kCounters: {
      FsCounted out;
      for (const v1::Counter& counter : in.counters().counters()) {
        out[counter.name()] = counter.value();
      }
      return FsAnswer{std::move(out)};
    }
    case v1::FsReply::kTrace:
      return FsAnswer{FsTrace{in.trace()}};
    case v1::FsReply::kError:
      return FsAnswer{Refusal{from_proto(in.error())}};
    case v1::FsReply::KIND_NOT_SET:
      break;
  }
  return malformed("reply of devrun-fs");
}

}  // namespace devrun::wire
