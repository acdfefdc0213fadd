#include "agent/sync/streams.h"

#include <fcntl.h>

#include "common/base/log.h"
#include "common/runtime/file.h"
#include "common/wire/attempt.h"

namespace devrun::agent {

namespace pb = devrun::v1;

namespace {
constexpr size_t kChunkBytesMax = 256 << 10;
constexpr uint64_t kOutputAheadMax = 4 << 20;  // of what the controller says it has
constexpr size_t kStdinHeldMax = (1 << 20) + (256 << 10);
constexpr size_t kHeldMessagesMax = 4096;
}  // namespace

// Writes are started from other threads, hence the hold, which goes with the read that fails. All members but the
// messages are guarded by the owner's mutex.
class Streams::Call final : public grpc::ClientBidiReactor<pb::StreamsUp, pb::StreamsDown> {
 public:
  explicit Call(Streams& owner) : owner_(owner) { context.set_wait_for_ready(true); }
  void begin(pb::Agent::Stub& stub) {
    stub.async()->Streams(&context, this);
    AddHold();
    StartRead(&down_);
    StartWrite(&up);
    StartCall();
  }

  grpc::ClientContext context;
  pb::StreamsUp up;
  bool writing = true;  // `start`
  bool over = false;    // no write may begin
  bool done = false;
  bool end_sent = false;
  std::optional<uint64_t> next;  // offset of the next chunk, once the controller has named one
  uint64_t taken = 0;
  std::optional<uint64_t> stdin_told;
  bool stdin_closed_told = false;

 private:
  void OnReadDone(bool ok) override {
    if (!ok) {
      owner_.on_read_failed();
      RemoveHold();
      return;
    }
    owner_.on_down(down_);
    StartRead(&down_);
  }
  void OnWriteDone(bool ok) override { owner_.on_written(ok); }
  void OnDone(const grpc::Status& status) override { owner_.on_done(status); }

  Streams& owner_;
  pb::StreamsDown down_;
};

Streams::Streams(pb::Agent::Stub& stub, const AttemptKey& key, std::string output_path, Broke broke)
    : stub_(stub),
      key_(key),
      output_path_(std::move(output_path)),
      broke_(std::move(broke)),
      backoff_(static_cast<uint32_t>(key.job * 31 + key.rank)) {}

Streams::~Streams() {
  std::unique_lock lock(mutex_);
  closing_ = true;
  if (!call_) return;
  call_->context.TryCancel();
  changed_.wait(lock, [this] { return call_->done; });
}

void Streams::open() {
  const std::lock_guard lock(mutex_);
  if (closing_ || (call_ && !call_->done)) return;
  call_ = std::make_unique<Call>(*this);
  *call_->up.mutable_start() = wire::to_proto(key_);
  call_->begin(stub_);
}

void Streams::cancel() {
  const std::lock_guard lock(mutex_);
  if (call_ && !call_->done) call_->context.TryCancel();
}

// ── up ──────────────────────────────────────────────────────────────────────────────────────────

void Streams::output_grew(uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  if (final_) return;
  size_ = std::max(size_, bytes);
  pump();
}

void Streams::stdin_taken(uint64_t offset) {
  const std::lock_guard lock(mutex_);
  stdin_taken_ = std::max(stdin_taken_.value_or(0), offset);
  pump();
}

void Streams::stdin_closed() {
  const std::lock_guard lock(mutex_);
  stdin_closed_ = true;
  pump();
}

void Streams::end_output(uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  size_ = bytes;
  final_ = bytes;
  pump();
}

void Streams::pump() {
  if (!call_ || call_->over || call_->writing || call_->end_sent) return;
  switch (choose()) {
    case Next::kNothing:
      return;
    case Next::kMessage:
      call_->writing = true;
      call_->StartWrite(&call_->up);
      return;
    case Next::kEnd:
      call_->writing = true;
      call_->end_sent = true;
      call_->StartWriteLast(&call_->up, grpc::WriteOptions());
      return;
    case Next::kChunk:
      send_chunk();
      return;
  }
}

Streams::Next Streams::choose() {
  Call& call = *call_;
  if (stdin_taken_ && stdin_taken_ != call.stdin_told) {
    call.up.set_stdin_taken(*stdin_taken_);
    call.stdin_told = stdin_taken_;
    return Next::kMessage;
  }
  if (stdin_closed_ && !call.stdin_closed_told) {
    call.up.set_stdin_closed(true);
    call.stdin_closed_told = true;
    return Next::kMessage;
  }
  if (!call.next) return Next::kNothing;
  if (*call.next < std::min(size_, call.taken + kOutputAheadMax)) return Next::kChunk;
  if (final_ && *call.next >= *final_) {
    call.up.set_output_end(*final_);
    return Next::kEnd;
  }
  return Next::kNothing;
}

// The log is read under the mutex: it comes from the page cache, and the call cannot go away meanwhile.
void Streams::send_chunk() {
  Call& call = *call_;
  const uint64_t offset = *call.next;
  const uint64_t end = std::min(size_, call.taken + kOutputAheadMax);
  pb::OutputChunk& chunk = *call.up.mutable_output();
  chunk.set_offset(offset);
  if (!read_chunk(offset, std::min<size_t>(kChunkBytesMax, end - offset), *chunk.mutable_data())) {
    call.over = true;
    call.context.TryCancel();
    return;
  }
  call.writing = true;
  call.next = offset + chunk.data().size();
  call.StartWrite(&call.up);
}

bool Streams::read_chunk(uint64_t offset, size_t bytes, std::string& into) {
  if (!output_) {
    Result<UniqueFd> opened = open_file(output_path_, O_RDONLY);
    if (!opened) {
      log::error("output of {}: {}", to_string(key_), opened.error().message);
      return false;
    }
    output_ = std::move(*opened);
  }
  into.resize(bytes);
  ssize_t n = 0;
  do {
    n = ::pread(output_.get(), into.data(), bytes, static_cast<off_t>(offset));
  } while (n < 0 && errno == EINTR);
  if (n <= 0) {
    log::error("output of {}: nothing at {} of {}", to_string(key_), offset, offset + bytes);
    return false;
  }
  into.resize(static_cast<size_t>(n));
  return true;
}

void Streams::on_written(bool ok) {
  const std::lock_guard lock(mutex_);
  call_->writing = false;
  if (ok) pump();
}

// ── down ────────────────────────────────────────────────────────────────────────────────────────

void Streams::on_down(pb::StreamsDown& down) {
  switch (down.kind_case()) {
    case pb::StreamsDown::kOutputFrom: {
      const std::lock_guard lock(mutex_);
      backoff_.reset();
      call_->next = down.output_from();
      call_->taken = down.output_from();
      pump();
      return;
    }
    case pb::StreamsDown::kOutputTaken: {
      const std::lock_guard lock(mutex_);
      call_->taken = std::max(call_->taken, down.output_taken());
      pump();
      return;
    }
    case pb::StreamsDown::KIND_NOT_SET:
      return;
    default:
      to_shim(down);
  }
}

void Streams::on_read_failed() {
  const std::lock_guard lock(mutex_);
  call_->over = true;
}

void Streams::on_done(const grpc::Status& status) {
  const std::lock_guard lock(mutex_);
  call_->done = true;
  call_->over = true;
  const bool complete = call_->end_sent && status.ok();
  if (!closing_ && !complete) broke_(backoff_.next());
  changed_.notify_all();
}

void Streams::set_link(shim::ShimLink* link) {
  std::vector<pb::StreamsDown> held;
  bool again = false;
  {
    const std::lock_guard lock(link_mutex_);
    link_ = link;
    if (link != nullptr) {
      again = linked_before_;
      linked_before_ = true;
      for (pb::StreamsDown& down : held_) perform(down);
      held_.clear();
      held_bytes_ = 0;
    }
  }
  // What the lost link had not delivered is sent anew from the offset that the shim has.
  if (again) cancel();
}

void Streams::to_shim(pb::StreamsDown& down) {
  bool too_much = false;
  {
    const std::lock_guard lock(link_mutex_);
    if (link_ != nullptr) {
      perform(down);
    } else {
      held_bytes_ += down.stdin().data().size();
      too_much = held_bytes_ > kStdinHeldMax || held_.size() >= kHeldMessagesMax;
      if (!too_much) held_.push_back(std::move(down));
    }
  }
  if (too_much) {
    log::warning("{}: the controller sent more stdin than it may", to_string(key_));
    cancel();
  }
}

void Streams::perform(pb::StreamsDown& down) {
  Status done = ok();
  if (down.has_stdin()) {
    pb::StdinChunk& chunk = *down.mutable_stdin();
    done = link_->write_stdin(chunk.offset(), std::move(*chunk.mutable_data()), chunk.eof());
  } else if (down.has_resize()) {
    done = link_->resize(wire::from_proto(down.resize()));
  } else {
    done = link_->signal(down.signal());
  }
  // The link's thread tells that the shim is gone; here it is only worth a line.
  if (!done) log::debug("{}: to the shim: {}", to_string(key_), done.error().message);
}

}  // namespace devrun::agent
