#include "controller/journal/event_codec.h"

#include <fmt/format.h>

#include "common/base/utf8.h"
#include "common/wire/attempt.h"
#include "common/wire/job.h"
#include "devrun/v1/event.pb.h"

namespace devrun::controller {

namespace {

namespace pb = devrun::v1;
using wire::from_proto;
using wire::to_proto;

struct Encode {
  pb::Event& out;

  template <typename Message>
  static void set_task(Message& message, TaskKey task) {
    message.set_job(task.job);
    message.set_task(task.task);
  }

  void operator()(const JobSubmitted& e) {
    auto& m = *out.mutable_job_submitted();
    m.set_job(e.job);
    m.set_request_id(e.request_id);
    *m.mutable_spec() = to_proto(e.spec);
    *m.mutable_timeline() = to_proto(e.timeline);
  }
  void operator()(const TaskPlaced& e) {
    auto& m = *out.mutable_task_placed();
    set_task(m, e.task);
    m.set_attempt(e.attempt);
    for (const std::string& node : e.nodes) m.add_nodes(node);
    for (const auto& indices : e.gpus) {
      m.add_gpus()->mutable_index()->Add(indices.begin(), indices.end());
    }
    m.set_lease_us(e.lease.us);
  }
  void operator()(const AttemptReported& e) {
    auto& m = *out.mutable_attempt_reported();
    m.set_node(e.node);
    *m.mutable_observed() = to_proto(e.observed);
  }
  void operator()(const JobCancelRequested& e) {
    auto& m = *out.mutable_job_cancel_requested();
    set_task(m, e.task);
    m.set_signal(e.signal);
    m.set_reason(e.reason);
    m.set_leave_results(e.leave_results);
  }
  void operator()(const TaskEnded& e) {
    auto& m = *out.mutable_task_ended();
    set_task(m, e.task);
    m.set_state(to_proto(e.state));
    *m.mutable_ending() = to_proto(e.ending);
    m.set_journaled_us(e.journaled.us);
  }
  void operator()(const NodeJoined& e) {
    *out.mutable_node_joined()->mutable_hello() = to_proto(e.hello);
  }
  void operator()(const NodeDeclaredLost& e) {
    out.mutable_node_declared_lost()->set_node(e.node);
    out.mutable_node_declared_lost()->set_reason(in_utf8(e.reason));
  }
  void operator()(const NodeDrained& e) {
    auto& m = *out.mutable_node_drained();
    m.set_node(e.node);
    m.set_drained(e.drained);
    m.set_reason(in_utf8(e.reason));
    m.set_user(e.user);
  }
  void operator()(const JobKept& e) { out.mutable_job_kept()->set_job(e.job); }
  void operator()(const TimeLimitReached& e) {
    set_task(*out.mutable_time_limit_reached(), e.task);
  }
  void operator()(const TaskRetried& e) {
    auto& m = *out.mutable_task_retried();
    set_task(m, e.task);
    *m.mutable_ending() = to_proto(e.ending);
    m.set_not_before_us(e.not_before.us);
  }
  void operator()(const TimeLimitNear& e) { set_task(*out.mutable_time_limit_near(), e.task); }
  void operator()(const RootDerived& e) {
    auto& m = *out.mutable_root_derived();
    set_task(m, e.task);
    m.set_attempt(e.attempt);
    m.set_tree(std::string(e.tree.view()));
    if (!e.volume_tree.is_zero()) m.set_volume_tree(std::string(e.volume_tree.view()));
  }
  void operator()(const SetupDecided& e) {
    out.mutable_setup_decided()->set_job(e.job);
    *out.mutable_setup_decided()->mutable_use() = to_proto(e.use);
  }
  void operator()(const JobReshaped& e) {
    out.mutable_job_reshaped()->set_job(e.job);
    *out.mutable_job_reshaped()->mutable_per_node() = to_proto(e.per_node);
  }
  void operator()(const Restored& e) {
    out.mutable_restored()->set_backup_us(e.backup.us);
    out.mutable_restored()->set_next_job(e.next_job);
  }
  static void set_use(pb::PastUse& message, const std::string& user, const PastUse& use) {
    message.set_user(user);
    message.set_usage(use.usage);
    message.set_as_of_us(use.as_of.us);
  }
  void operator()(const JobArchived& e) {
    out.mutable_job_archived()->set_job(e.job);
    set_use(*out.mutable_job_archived()->mutable_use(), e.user, e.use);
  }
  void operator()(const Carried& e) {
    out.mutable_carried()->set_next_job(e.next_job);
    for (const auto& [user, use] : e.use) set_use(*out.mutable_carried()->add_use(), user, use);
  }
};

PastUse past_use(const pb::PastUse& in) {
  return {in.usage(), {in.as_of_us()}};
}

Result<Digest> derived_tree(std::string_view raw) {
  const auto tree = Digest::from_bytes(raw);
  if (!tree) return Error{Code::kCorrupt, "a derived tree whose name is none", {}};
  return *tree;
}

Result<EventKind> decode_kind(const pb::Event& in) {
  switch (in.kind_case()) {
    case pb::Event::kJobSubmitted: {
      const auto& m = in.job_submitted();
      return EventKind{JobSubmitted{m.job(), m.request_id(), TRY(from_proto(m.spec())),
                                    from_proto(m.timeline())}};
    }
    case pb::Event::kTaskPlaced: {
      const auto& m = in.task_placed();
      TaskPlaced placed{{m.job(), m.task()},
                        m.attempt(),
                        {m.nodes().begin(), m.nodes().end()},
                        {},
                        {m.lease_us()}};
      for (const pb::GpuIndices& of : m.gpus()) {
        placed.gpus.emplace_back(of.index().begin(), of.index().end());
      }
      return EventKind{std::move(placed)};
    }
    case pb::Event::kAttemptReported: {
      const auto& m = in.attempt_reported();
      return EventKind{AttemptReported{m.node(), TRY(from_proto(m.observed()))}};
    }
    case pb::Event::kJobCancelRequested: {
      const auto& m = in.job_cancel_requested();
      return EventKind{
          JobCancelRequested{{m.job(), m.task()}, m.signal(), m.reason(), m.leave_results()}};
    }
    case pb::Event::kTaskEnded: {
      const auto& m = in.task_ended();
      return EventKind{TaskEnded{{m.job(), m.task()},
                                 TRY(from_proto(m.state())),
                                 TRY(from_proto(m.ending())),
                                 Time{m.journaled_us()}}};
    }
    case pb::Event::kNodeJoined:
      return EventKind{NodeJoined{from_proto(in.node_joined().hello())}};
    case pb::Event::kNodeDeclaredLost:
      return EventKind{
          NodeDeclaredLost{in.node_declared_lost().node(), in.node_declared_lost().reason()}};
    case pb::Event::kNodeDrained: {
      const auto& m = in.node_drained();
      return EventKind{NodeDrained{m.node(), m.drained(), m.reason(), m.user()}};
    }
    case pb::Event::kTimeLimitReached:
      return EventKind{
          TimeLimitReached{{in.time_limit_reached().job(), in.time_limit_reached().task()}}};
    case pb::Event::kJobKept:
      return EventKind{JobKept{in.job_kept().job()}};
    case pb::Event::kTaskRetried: {
      const auto& m = in.task_retried();
      return EventKind{
          TaskRetried{{m.job(), m.task()}, TRY(from_proto(m.ending())), {m.not_before_us()}}};
    }
    case pb::Event::kTimeLimitNear:
      return EventKind{TimeLimitNear{{in.time_limit_near().job(), in.time_limit_near().task()}}};
    case pb::Event::kRootDerived: {
      const auto& m = in.root_derived();
      RootDerived derived{{m.job(), m.task()}, m.attempt(), TRY(derived_tree(m.tree()))};
      if (!m.volume_tree().empty()) derived.volume_tree = TRY(derived_tree(m.volume_tree()));
      return EventKind{derived};
    }
    case pb::Event::kSetupDecided:
      return EventKind{
          SetupDecided{in.setup_decided().job(), TRY(from_proto(in.setup_decided().use()))}};
    case pb::Event::kJobArchived:
      return EventKind{JobArchived{in.job_archived().job(), in.job_archived().use().user(),
                                   past_use(in.job_archived().use())}};
    case pb::Event::kCarried: {
      Carried carried{in.carried().next_job(), {}};
      for (const pb::PastUse& use : in.carried().use()) carried.use[use.user()] = past_use(use);
      return EventKind{std::move(carried)};
    }
    case pb::Event::kRestored:
      return EventKind{Restored{{in.restored().backup_us()}, in.restored().next_job()}};
    case pb::Event::kJobReshaped:
      return EventKind{
          JobReshaped{in.job_reshaped().job(), from_proto(in.job_reshaped().per_node())}};
    case pb::Event::KIND_NOT_SET:
      break;
  }
  return Error{Code::kCorrupt, "an event of a kind that this version does not know", {}};
}

}  // namespace

std::string encode(const Event& event) {
  pb::Event out;
  out.set_at_us(event.at.us);
  std::visit(Encode{out}, event.kind);
  return out.SerializeAsString();
}

Result<Event> decode(std::string_view bytes) {
  pb::Event in;
  if (!in.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return Error{Code::kCorrupt, "the bytes are no event", {}};
  }
  return Event{{in.at_us()}, TRY(decode_kind(in))};
}

}  // namespace devrun::controller
