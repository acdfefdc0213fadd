#include "controller/rpc/agent_streams.h"

#include <fmt/format.h>

#include "common/base/log.h"
#include "common/wire/job.h"
#include "controller/rpc/status.h"

namespace devrun::controller {

AgentStreams* AgentStreams::start(CoreLoop& core, StreamHub& hub, std::string node,
                                  HeldCalls::Hold hold) {
  auto made = std::make_shared<AgentStreams>(core, hub, std::move(node), std::move(hold));
  made->self_ = made;
  made->StartRead(&made->up_);
  return made.get();
}

void AgentStreams::finish(const grpc::Status& status) {
  const std::lock_guard lock(mutex_);
  if (finished_) return;
  finished_ = true;
  Finish(status);
}

void AgentStreams::moved() {
  const std::lock_guard lock(mutex_);
  pump();
}

void AgentStreams::OnReadDone(bool done) {
  if (!done) {
    finish(grpc::Status::OK);  // the agent has all that it wants stored
    return;
  }
  if (!channel_) {
    const auto key = wire::from_proto(up_.start());
    if (up_.kind_case() != pb::StreamsUp::kStart || !key) {
      finish(to_status(Error{Code::kInvalid, "Streams must begin with `start`", {}}));
      return;
    }
    begin(*key);
    return;
  }
  if (const Status taken = take(up_); !taken) {
    log::warning("streams of {}: {}", to_string(channel_->key()), taken.error().message);
    finish(to_status(taken.error()));
    return;
  }
  StartRead(&up_);
}

void AgentStreams::begin(const AttemptKey& key) {
  core_.read_jobs(
      {key.job}, [self = shared_from_this(), key](const State& state, Time, const Status& read) {
        if (!read) return self->finish(to_status(read.error()));
        const Rank* rank = find_rank(state, key);
        if (rank == nullptr || rank->node != self->node_) {
          self->finish(
              to_status(Error{Code::kNotFound,
                              fmt::format("attempt {} is not on {}", folder_name(key), self->node_),
                              {}}));
          return;
        }
        self->connect(key);
      });
}

void AgentStreams::connect(const AttemptKey& key) {
  channel_ = hub_.channel(key);
  hub_.note_begun(channel_);
  channel_->connect_agent(shared_from_this());
  // The agent may have gone meanwhile: once finished, and no reaction under way, gRPC's side of the call is freed.
  const std::lock_guard lock(mutex_);
  if (finished_) return;
  tell_from_ = true;
  pump();  // first: the offset is that of before what the agent may already have sent
  StartRead(&up_);
}

Status AgentStreams::take(const pb::StreamsUp& up) {
  switch (up.kind_case()) {
    case pb::StreamsUp::kOutput:
      return take_output(up.output());
    case pb::StreamsUp::kStdinTaken: {
      channel_->stdin_taken(up.stdin_taken());
      moved();  // after a reconnection this is where stdin goes on
      return ok();
    }
    case pb::StreamsUp::kStdinClosed:
      channel_->stdin_closed();
      return ok();
    case pb::StreamsUp::kOutputEnd:
      return ok();  // the report says the same, and is durable
    case pb::StreamsUp::kStart:
    case pb::StreamsUp::KIND_NOT_SET:
      break;
  }
  return Error{Code::kInvalid, "a message that does not belong here", {}};
}

Status AgentStreams::take_output(const pb::OutputChunk& chunk) {
  if (chunk.data().size() > kChunkBytesMax) {
    return Error{Code::kInvalid, "output chunk of more than 256 KiB", {}};
  }
  const uint64_t length = TRY(channel_->append_output(chunk.offset(), chunk.data()));
  const std::lock_guard lock(mutex_);
  if (length == chunk.offset() + chunk.data().size()) {
    rewinding_ = false;
  } else if (!rewinding_) {
    rewinding_ = true;
    tell_from_ = true;
  }
  pump();
  return ok();
}

bool AgentStreams::fill(pb::StreamsDown& down) {
  if (tell_from_) {
    tell_from_ = false;
    told_taken_ = channel_->output().length();
    down.set_output_from(told_taken_);
    return true;
  }
  if (const auto signal = channel_->take_signal()) {
    down.set_signal(*signal);
    return true;
  }
  if (const auto size = channel_->take_resize()) {
    *down.mutable_resize() = wire::to_proto(*size);
    return true;
  }
  if (auto piece = channel_->next_stdin(stdin_sent_, eof_sent_)) {
    stdin_sent_ = piece->offset + piece->data.size();
    eof_sent_ = piece->eof;
    pb::StdinChunk& chunk = *down.mutable_stdin();
    chunk.set_offset(piece->offset);
    chunk.set_data(std::move(piece->data));
    chunk.set_eof(piece->eof);
    return true;
  }
  if (const uint64_t length = channel_->output().length(); length != told_taken_) {
    told_taken_ = length;
    down.set_output_taken(length);
    return true;
  }
  return false;
}

void AgentStreams::pump() {
  if (writing_ || finished_ || !channel_ || !fill(down_)) return;
  writing_ = true;
  StartWrite(&down_);
}

void AgentStreams::OnWriteDone(bool done) {
  const std::lock_guard lock(mutex_);
  writing_ = false;
  if (done) pump();
}

}  // namespace devrun::controller
