#include "controller/rpc/exec_call.h"

#include <fmt/format.h>

#include "common/base/utf8.h"
#include "common/wire/job.h"
#include "controller/rpc/check_submit.h"
#include "controller/rpc/job_info.h"
#include "controller/rpc/status.h"

namespace devrun::controller {

namespace {

constexpr int kOrderAgainAfter = 3;  // words about the task: one comes with each tick at least

// In a dev container each user of the volume is themselves; in a job, everybody is the job's user, and only that one
// (and root of the volume) may come.
Status check_caller(const Who& who, const Job& job, pb::SessionStart& session) {
  if (!who.from || who.from->uid == 0 || !session.has_program()) return ok();
  if (!job.spec.dev_container) return ok();  // visible_job has looked
  return who.from->check_ids(wire::from_proto(session.program().caller()), "open a shell");
}

// Its own hint, if there is one, else what to look at.
Error could_not_start(const std::string& what, const TaskKey& task, const Ending& ending) {
  return {Code::kIo, fmt::format("{} could not start: {}", what, ending.reason),
          ending.hint.empty() ? fmt::format("devrun show {}", to_string(task)) : ending.hint};
}

bool never_began(const TaskView& view) {
  return view.ending && view.ending->cause == EndCause::kNotStarted && !view.ending->reason.empty();
}

std::string name_of(const Job& job) {
  return fmt::format("the dev container of volume '{}', job {},", job.spec.root.volume, job.id);
}

Error has_ended(const Job& job, const TaskView& view) {
  if (job.spec.dev_container && never_began(view)) {
    return could_not_start(name_of(job), {job.id, kNoTask}, *view.ending);
  }
  if (job.spec.dev_container) {
    return {Code::kConflict, name_of(job) + " has ended", "devrun shell " + job.spec.root.volume};
  }
  return {Code::kConflict,
          fmt::format("job {} has ended {}, so nothing can be run in it", job.id,
                      state_name(view.state)),
          fmt::format("devrun show {}; devrun logs {}", job.id, job.id)};
}

}  // namespace

ExecCall* ExecCall::start(ExecParts parts, Peer peer) {
  auto made = std::make_shared<ExecCall>(parts, std::move(peer));
  made->self_ = made;
  made->StartRead(&made->first_);
  return made.get();
}

void ExecCall::OnDone() {
  relay_->caller_done();
  self_.reset();
}

void ExecCall::OnReadDone(bool done) {
  if (started_) return relay_->caller_read(done);
  if (!done) return relay_->close({grpc::StatusCode::CANCELLED, "the caller has gone"});
  started_ = true;
  parts_.core.read_jobs(
      {first_.start().job()},
      [self = shared_from_this()](const State& state, Time now, const Status& read) {
        const Status connected = read ? self->connect(state, now) : read;
        if (!connected) self->relay_->close(to_status(connected.error()));
      });
}

Status ExecCall::connect(const State& state, Time now) {
  if (!first_.has_start() || !first_.start().has_session()) {
    return Error{Code::kInvalid, "Exec must begin with `start` and its `session`", {}};
  }
  pb::SessionStart& session = *first_.mutable_start()->mutable_session();
  const Who who = TRY(resolve(state, peer_));
  const Job* job = TRY(openable_job(state, who, first_.start().job()));
  task_ = {first_.start().job(), first_.start().task()};
  const uint32_t rank = first_.start().rank();
  const TaskView view = TRY(task_view(state, *job, task_, rank, now));
  const bool has_folder = !session.has_program() || !session.program().cwd().empty();
  if (job->spec.dev_container && !has_folder) {
    return Error{Code::kInvalid,
                 fmt::format("job {} is the dev container of volume '{}': a shell opens it",
                             job->id, job->spec.root.volume),
                 fmt::format("devrun shell {} -- CMD", job->spec.root.volume)};
  }
  TRY(check_session(session, job->spec.dev_container));
  TRY(check_caller(who, *job, session));
  if (is_final(view.state)) return has_ended(*job, view);
  order_.set_output_from(first_.start().output_from());
  *order_.mutable_key() = wire::to_proto(AttemptKey{task_.job, task_.task, rank, 0});
  *order_.mutable_session() = session;
  if (who.from && who.from->uid != 0) {
    order_.set_only_uid(true);
    order_.set_uid(who.from->uid);
  }
  SessionRelay::About about;
  about.job = job->id;
  about.info.set_user(who.user);
  *about.info.mutable_argv() = session.program().argv();
  about.info.set_since_us(now.us);
  relay_->describe(std::move(about));
  what_ = job->spec.dev_container ? name_of(*job) : fmt::format("job {}", to_string(task_));
  order_.set_call(parts_.sessions.add(relay_));
  parts_.hub.watch(task_, shared_from_this());
  task_changed(view);
  // What comes next waits in the relay for the agent.
  relay_->begin();
  return ok();
}

void ExecCall::task_changed(const TaskView& view) {
  if (is_final(view.state)) {
    if (relay_->is_joined()) return;  // the agent says how the session ended
    if (never_began(view)) {
      return relay_->close(to_status(could_not_start(what_, task_, *view.ending)));
    }
    relay_->close(to_status(Error{Code::kConflict,
                                  fmt::format("job {} has ended {} before the session began",
                                              to_string(task_), state_name(view.state)),
                                  fmt::format("devrun logs {}", to_string(task_))}));
    return;
  }
  if (view.state == JobState::kRunning) return order(view);
  if (told_ && told_->state == view.state && told_->reason == view.reason) return;
  told_ = view;
  pb::AttachState state;
  state.set_state(wire::to_proto(view.state));
  state.set_node(view.node);
  state.set_reason(in_utf8(view.reason));
  relay_->say(state);
}

// At once on each new call of the agent, and now and then, until it has come: an order may be lost with the call that
// carried it, and the agent's answer with a connection of its own. It serves the same order only once.
void ExecCall::order(const TaskView& view) {
  if (relay_->is_joined()) return;
  const std::string node = view.nodes.at(order_.key().rank());
  const std::shared_ptr<DesiredStream> call = parts_.agents.call_of(node);
  if (!call || (call == ordered_on_.lock() && ++told_since_order_ < kOrderAgainAfter)) return;
  ordered_on_ = call;
  told_since_order_ = 0;
  SessionRelay::About about = relay_->about();
  about.node = node;
  relay_->describe(std::move(about));
  order_.mutable_key()->set_attempt(view.attempt);
  pb::DesiredState message;
  *message.add_sessions() = order_;
  call->send(std::move(message));
}

}  // namespace devrun::controller
