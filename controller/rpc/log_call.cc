#include "controller/rpc/log_call.h"

#include "controller/rpc/job_info.h"
#include "controller/rpc/status.h"

namespace devrun::controller {

LogCall* LogCall::start(CoreLoop& core, StreamHub& hub, Peer peer,
                        const pb::ReadLogRequest& request) {
  auto made = std::make_shared<LogCall>(core, hub, std::move(peer), request);
  made->self_ = made;
  core.read([made](const State& state, Time now) {
    const Status connected = made->connect(state, now);
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
  const auto channel =
      hub_.channel({key.job, key.task, request_.rank(), std::max<uint32_t>(1, view.attempt)});
  if (request_.follow()) TRY(channel->watch(shared_from_this()));
  const std::lock_guard lock(mutex_);
  channel_ = channel;
  view_ = view;
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

void LogCall::pump() {
  if (writing_ || finished_ || !channel_ || !placed_) return;
  pb::OutputChunk& output = *chunk_.mutable_output();
  const Status read = channel_->output().read(sent_, kChunkBytesMax, *output.mutable_data());
  if (!read) return finish(to_status(read.error()));
  output.set_offset(sent_);
  sent_ += output.data().size();
  const uint32_t rank = request_.rank();
  const uint64_t final_bytes =
      rank < view_.output_bytes.size() ? static_cast<uint64_t>(view_.output_bytes[rank]) : 0;
  const bool all_sent = sent_ >= channel_->output().length();
  ended_ = is_final(view_.state) && all_sent && sent_ >= final_bytes;
  if (output.data().empty() && !ended_) {
    if (!request_.follow()) finish(grpc::Status::OK);
    return;
  }
  chunk_.set_ended(ended_);
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
