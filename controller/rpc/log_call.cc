#include "controller/rpc/log_call.h"

#include <fmt/format.h>

#include <utility>

#include "controller/rpc/job_info.h"
#include "controller/rpc/status.h"

namespace devrun::controller {

LogCall* LogCall::start(CoreLoop& core, StreamHub& hub, Peer peer,
                        const pb::ReadLogRequest& request) {
  auto made = std::make_shared<LogCall>(core, hub, std::move(peer), request);
  made->self_ = made;
  core.read_jobs({request.job()}, [made](const State& state, Time now, const Status& read) {
    const Status connected = read ? made->connect(state, now) : read;
    if (connected && made->request_.has_begin()) return made->find_begin();
    const std::lock_guard lock(made->mutex_);
    if (!connected) return made->finish(to_status(connected.error()));
    made->begin(made->request_.offset());
  });
  return made.get();
}

void LogCall::find_begin() {
  hub_.find_start(channel_, from_proto(request_.begin()),
                  [self = shared_from_this()](const Result<uint64_t>& found) {
                    const std::lock_guard lock(self->mutex_);
                    if (!found) return self->finish(to_status(found.error()));
                    self->begin(*found);
                  });
}

void LogCall::begin(uint64_t offset) {
  sent_ = offset;
  placed_ = true;
  pump();
}

Status LogCall::connect(const State& state, Time now) {
  const Who who = TRY(resolve(state, peer_));
  const TaskKey key{request_.job(), request_.task()};
  const TaskView view = TRY(visible_task(state, who, key, request_.rank(), now));
  const uint32_t newest = std::max<uint32_t>(1, view.attempt);
  const uint32_t attempt = request_.attempt() == 0 ? newest : request_.attempt();
  if (attempt > newest) {
    return Error{Code::kNotFound,
                 fmt::format("job {} has no attempt {}: it has had {}", to_string(key), attempt,
                             view.attempt),
                 "devrun show " + to_string(key)};
  }
  const auto channel = hub_.channel({key.job, key.task, request_.rank(), attempt});
  if (request_.follow()) TRY(channel->watch(shared_from_this()));
  const std::lock_guard lock(mutex_);
  channel_ = channel;
  view_ = view;
  attempt_ = attempt;
  if (request_.follow()) hub_.watch(key, shared_from_this());
  return ok();
}

void LogCall::moved() {
  const std::lock_guard lock(mutex_);
  pump();
}

void LogCall::task_changed(const TaskView& view) {
  const std::lock_guard lock(mutex_);
  view_ = view;
  pump();
}

void LogCall::finish(const grpc::Status& status) {
  if (finished_) return;
  finished_ = true;
  Finish(status);
}

void LogCall::OnCancel() {
  const std::lock_guard lock(mutex_);
  finish({grpc::StatusCode::CANCELLED, "the reader has gone"});
}

// A reader that follows is led through all attempts; any other wants this one.
void LogCall::follow_attempts() {
  while (request_.follow() && attempt_ < view_.attempt && sent_ >= channel_->output().length() &&
         is_all_output(view_, attempt_, request_.rank(), sent_)) {
    const auto next =
        hub_.channel({request_.job(), request_.task(), request_.rank(), attempt_ + 1});
    if (const Status watched = next->watch(shared_from_this()); !watched) {
      return finish(to_status(watched.error()));
    }
    channel_ = next;
    missing_before_ += missing_output(view_, attempt_, request_.rank(), sent_);
    ++attempt_;
    sent_ = 0;
  }
}

void LogCall::pump() {
  if (writing_ || finished_ || !channel_ || !placed_) return;
  follow_attempts();
  if (finished_) return;
  pb::OutputChunk& output = *chunk_.mutable_output();
  const Status read = channel_->output().read(sent_, kChunkBytesMax, *output.mutable_data());
  if (!read) return finish(to_status(read.error()));
  output.set_offset(sent_);
  sent_ += output.data().size();
  const bool all_sent = sent_ >= channel_->output().length() &&
                        is_all_output(view_, attempt_, request_.rank(), sent_);
  const bool is_past = attempt_ < view_.attempt;
  ended_ = (is_past || is_final(view_.state)) && all_sent;
  if (output.data().empty() && !ended_) {
    if (!request_.follow()) finish(grpc::Status::OK);
    return;
  }
  chunk_.set_ended(ended_);
  chunk_.set_output_missing(ended_ ? missing_output(view_, attempt_, request_.rank(), sent_) : 0);
  chunk_.set_attempt(attempt_);
  chunk_.set_missing_before(std::exchange(missing_before_, 0));
  writing_ = true;
  StartWrite(&chunk_);
}

void LogCall::OnWriteDone(bool done) {
  const std::lock_guard lock(mutex_);
  writing_ = false;
  if (!done || finished_) return;
  if (ended_) return finish(grpc::Status::OK);
  pump();
}

}  // namespace devrun::controller
