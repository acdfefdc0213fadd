#include "controller/rpc/attach.h"

#include <fmt/format.h>

#include <utility>

#include "common/base/log.h"
#include "common/base/utf8.h"
#include "common/wire/job.h"
#include "controller/rpc/clock.h"
#include "controller/rpc/job_info.h"
#include "controller/rpc/status.h"

namespace devrun::controller {

AttachCall* AttachCall::start(CoreLoop& core, StreamHub& hub, Attendance& attendance, Peer peer) {
  auto made = std::make_shared<AttachCall>(core, hub, attendance, std::move(peer));
  made->self_ = made;
  made->StartRead(&made->request_);
  return made.get();
}

void AttachCall::finish(const grpc::Status& status) {
  const std::lock_guard lock(mutex_);
  if (finished_) return;
  finished_ = true;
  Finish(status);
}

std::shared_ptr<Channel> AttachCall::channel() {
  const std::lock_guard lock(mutex_);
  return channel_;
}

void AttachCall::OnDone() {
  if (const auto last = channel()) {
    if (writer_) hub_.leave_writer(task_, this);
    attendance_.left(last->key().job, clock_now());
  }
  self_.reset();
}

void AttachCall::moved() {
  const std::lock_guard lock(mutex_);
  pump();
}

void AttachCall::task_changed(const TaskView& view) {
  const std::lock_guard lock(mutex_);
  if (view_ == view) return;
  tell_state_ = tell_state_ || view.state != view_.state || view.node != view_.node ||
                view.reason != view_.reason;
  view_ = view;
  pump();
}

// ── what comes in ──

void AttachCall::OnReadDone(bool done) {
  if (!done) return;  // nothing more to say; it may still listen
  if (!channel()) {
    if (request_.kind_case() != pb::AttachRequest::kStart) {
      finish(to_status(Error{Code::kInvalid, "Attach must begin with `start`", {}}));
      return;
    }
    begin(request_.start());
    return;
  }
  if (const Status taken = take(request_); !taken) {
    finish(to_status(taken.error()));
    return;
  }
  StartRead(&request_);
}

void AttachCall::begin(const pb::AttachStart& start) {
  core_.read_jobs({start.job()}, [self = shared_from_this(), start](const State& state, Time now,
                                                                    const Status& read) {
    const Status connected = read ? self->connect(state, now, start) : read;
    if (!connected) {
      self->finish(to_status(connected.error()));
      return;
    }
    if (!start.has_begin()) return self->begin_at(start.output_from());
    self->hub_.find_start(self->channel_, from_proto(start.begin()),
                          [self](const Result<uint64_t>& found) {
                            if (!found) return self->finish(to_status(found.error()));
                            self->begin_at(*found);
                          });
  });
}

void AttachCall::begin_at(uint64_t offset) {
  const std::lock_guard lock(mutex_);
  sent_ = read_ = offset;
  placed_ = true;
  // The caller may have gone meanwhile: once finished, and no reaction under way, gRPC's side of the call is freed.
  if (finished_) return;
  StartRead(&request_);
  pump();
}

Status AttachCall::connect(const State& state, Time now, const pb::AttachStart& start) {
  const Who who = TRY(resolve(state, peer_));
  const TaskKey key{start.job(), start.task()};
  const TaskView view = TRY(visible_task(state, who, key, start.rank(), now));
  const uint32_t newest = std::max<uint32_t>(1, view.attempt);
  const uint32_t attempt = start.attempt() == 0 ? newest : std::min(start.attempt(), newest);
  const auto channel = hub_.channel({key.job, key.task, start.rank(), attempt});
  const std::shared_ptr<AttachCall> self = shared_from_this();
  TRY(channel->watch(std::static_pointer_cast<StreamEnd>(self)));
  if (start.write_stdin()) {
    TRY(hub_.become_writer(key, self));
    channel->set_writer(self);
  }
  // A writer is told at once where stdin goes on. What ran before this controller did, or runs on a node that is
  // away, may have taken some of it: there the agent will say.
  const Rank* rank = find_rank(state, channel->key());
  const bool ours = view.timeline.placed.us == 0 || view.timeline.placed >= state.presence.started;
  const bool untouched = rank == nullptr || !rank->reported || channel->agent_is_connected();
  if (start.write_stdin() && ours && untouched) channel->stdin_begins();
  const std::lock_guard lock(mutex_);
  writer_ = start.write_stdin();
  task_ = key;
  rank_ = start.rank();
  attempt_ = attempt;
  view_ = view;
  tell_state_ = true;
  channel_ = channel;
  attendance_.came(key.job);
  hub_.watch(key, self);
  return ok();
}

Status AttachCall::take(pb::AttachRequest& request) {
  const std::shared_ptr<Channel> to = channel();
  const bool is_for_the_job = request.has_stdin() || request.has_resize() ||
                              request.kind_case() == pb::AttachRequest::kSignal;
  if (is_for_the_job && !writer_) {
    return Error{Code::kDenied, "this call watches, and is not the one that writes to the job",
                 fmt::format("devrun attach {}", to_string(task_))};
  }
  switch (request.kind_case()) {
    case pb::AttachRequest::kStdin: {
      pb::StdinChunk& chunk = *request.mutable_stdin();
      if (chunk.data().size() > kChunkBytesMax) {
        return Error{Code::kInvalid, "stdin chunk of more than 256 KiB", {}};
      }
      return to->put_stdin(chunk.offset(), std::move(*chunk.mutable_data()), chunk.eof());
    }
    case pb::AttachRequest::kResize:
      to->resize(wire::from_proto(request.resize()));
      return ok();
    case pb::AttachRequest::kSignal:
      if (request.signal() < 1 || request.signal() > 64) {
        return Error{Code::kInvalid, fmt::format("there is no signal {}", request.signal()),
                     "kill -l"};
      }
      return to->signal(request.signal());
    case pb::AttachRequest::kOutputRead: {
      const std::lock_guard lock(mutex_);
      read_ = std::max(read_, std::min(request.output_read(), sent_));
      pump();
      return ok();
    }
    case pb::AttachRequest::kKeep:
      core_.post(Keep{channel_->key().job},
                 [self = shared_from_this()](const State&, Time, const Result<Reply>& reply) {
                   self->finish(to_status(reply ? ok() : Status(reply.error())));
                 });
      return ok();
    case pb::AttachRequest::kHangUp:  // of a session
    case pb::AttachRequest::kStart:
    case pb::AttachRequest::KIND_NOT_SET:
      break;
  }
  return Error{Code::kInvalid, "a message that does not belong here", {}};
}

// ── what goes out ──

bool AttachCall::fill_stdin(pb::AttachReply& reply) {
  if (!writer_) return false;
  const Channel::StdinState stdin_state = channel_->stdin_state();
  if (stdin_state.closed && !told_closed_) {
    told_closed_ = true;
    reply.set_stdin_closed(true);
    return true;
  }
  if (stdin_state.taken && stdin_state.taken != told_taken_) {
    told_taken_ = stdin_state.taken;
    reply.set_stdin_taken(*told_taken_);
    return true;
  }
  return false;
}

bool AttachCall::fill_output(pb::AttachReply& reply) {
  const uint64_t length = channel_->output().length();
  if (sent_ >= length || sent_ - read_ >= kOutputWindowBytes) return false;
  const size_t most = std::min<uint64_t>(kChunkBytesMax, read_ + kOutputWindowBytes - sent_);
  // The message's own string is read into: it keeps its memory from one chunk to the next.
  pb::OutputChunk& chunk = *reply.mutable_output();
  chunk.set_offset(sent_);
  if (const Status read = channel_->output().read(sent_, most, *chunk.mutable_data()); !read) {
    log::error("{}", read.error().message);
    finished_ = true;
    Finish(to_status(read.error()));
    return false;
  }
  sent_ += chunk.data().size();
  return true;
}

bool AttachCall::all_is_sent() const {
  return is_all_output(view_, attempt_, rank_, sent_);
}

void AttachCall::follow_attempts() {
  while (attempt_ < view_.attempt && sent_ >= channel_->output().length() && all_is_sent()) {
    const auto next = hub_.channel({task_.job, task_.task, rank_, attempt_ + 1});
    if (const Status watched = next->watch(shared_from_this()); !watched) {
      finished_ = true;
      Finish(to_status(watched.error()));
      return;
    }
    if (writer_) {
      channel_->hand_on(next);
      next->set_writer(shared_from_this());
    }
    channel_ = next;
    missing_before_ += missing_output(view_, attempt_, rank_, sent_);
    ++attempt_;
    sent_ = read_ = 0;
    tell_state_ = true;
  }
}

bool AttachCall::fill_end(pb::AttachReply& reply) {
  if (!is_final(view_.state) || ended_) return false;
  if (sent_ < channel_->output().length() || !all_is_sent()) return false;
  ended_ = true;
  pb::AttachEnd& end = *reply.mutable_end();
  end.set_output_missing(missing_output(view_, attempt_, rank_, sent_));
  end.set_state(wire::to_proto(view_.state));
  if (view_.ending) *end.mutable_ending() = wire::to_proto(*view_.ending);
  if (view_.wrote) *end.mutable_wrote() = wire::to_proto(*view_.wrote);
  *end.mutable_timeline() = wire::to_proto(view_.timeline);
  return true;
}

bool AttachCall::fill(pb::AttachReply& reply) {
  if (tell_state_) {
    tell_state_ = false;
    pb::AttachState& state = *reply.mutable_state();
    state.set_state(wire::to_proto(view_.state));
    state.set_node(view_.node);
    state.set_reason(in_utf8(view_.reason));
    state.set_attempt(view_.attempt == 0 ? 0 : attempt_);
    state.set_missing_before(std::exchange(missing_before_, 0));
    return true;
  }
  return fill_stdin(reply) || fill_output(reply) || fill_end(reply);
}

void AttachCall::pump() {
  if (writing_ || finished_ || !placed_) return;
  follow_attempts();
  if (finished_ || !fill(reply_)) return;
  writing_ = true;
  StartWrite(&reply_);
}

void AttachCall::OnWriteDone(bool done) {
  const std::lock_guard lock(mutex_);
  writing_ = false;
  if (!done || finished_) return;
  if (ended_) {
    finished_ = true;
    Finish(grpc::Status::OK);
    return;
  }
  pump();
}

}  // namespace devrun::controller
