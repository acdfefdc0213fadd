#include "agent/sync/session.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "common/base/log.h"
#include "common/runtime/file.h"
#include "common/wire/job.h"

namespace devrun::agent {

namespace pb = devrun::v1;

namespace {
constexpr size_t kChunkBytesMax = 256 << 10;
constexpr uint64_t kReleaseEvery = 4 << 20;
}  // namespace

// Writes are started from other threads, hence the hold, which goes with the read that fails. Members but the messages
// are guarded by the owner's mutex.
class Session::Call final : public grpc::ClientBidiReactor<pb::SessionUp, pb::AttachRequest> {
 public:
  Call(Session& owner, uint64_t call, uint64_t output_from)
      : number(call), next(output_from), read(output_from), owner_(owner) {
    up.set_call(number);
    // The order came by another connection, which may be back before ours is. The number is of one controller's life
    // (session_hub.h), so that a call that waits for long is refused rather than taken for another's.
    context.set_wait_for_ready(true);
  }
  void begin(pb::Agent::Stub& stub) {
    stub.async()->Session(&context, this);
    AddHold();
    StartRead(&down_);
    StartWrite(&up);
    StartCall();
  }

  grpc::ClientContext context;
  pb::SessionUp up;
  const uint64_t number;
  uint64_t next;        // offset of the next chunk
  uint64_t read;        // what the caller has read
  bool writing = true;  // `call`
  bool over = false;    // no write may begin
  bool done = false;
  bool told_state = false;
  std::optional<uint64_t> told_taken;
  bool told_closed = false;
  bool told_end = false;

 private:
  void OnReadDone(bool ok) override {
    if (ok) {
      owner_.on_request(down_);
      StartRead(&down_);
      return;
    }
    {
      const std::lock_guard lock(owner_.mutex_);
      over = true;
    }
    RemoveHold();
  }
  void OnWriteDone(bool ok) override {
    const std::lock_guard lock(owner_.mutex_);
    writing = false;
    if (ok) owner_.pump();
  }
  void OnDone(const grpc::Status&) override {
    const std::lock_guard lock(owner_.mutex_);
    done = over = true;
    owner_.changed_.notify_all();
  }

  Session& owner_;
  pb::AttachRequest down_;
};

Session::Session(pb::Agent::Stub& stub, AttemptKey key, std::string id, std::string folder)
    : stub_(stub), key_(key), id_(std::move(id)), folder_(std::move(folder)) {}

Session::~Session() {
  set_link(nullptr);
  drop_call();
}

void Session::drop_call() {
  std::unique_lock lock(mutex_);
  if (!call_) return;
  call_->context.TryCancel();
  changed_.wait(lock, [this] { return call_->done; });
  call_.reset();
}

void Session::serve(uint64_t number, uint64_t output_from) {
  {
    const std::lock_guard lock(mutex_);
    if (call_ && !call_->done && call_->number == number) return;
  }
  drop_call();
  const std::lock_guard lock(mutex_);
  call_ = std::make_unique<Call>(*this, number, output_from);
  call_->begin(stub_);
}

// ── the shim's news ─────────────────────────────────────────────────────────────────────────────

shim::Handlers Session::handlers() {
  shim::Handlers out;
  out.state = [this](const shim::ShimState& state) { on_state(state); };
  out.output_grew = [this](uint64_t bytes) {
    const std::lock_guard lock(mutex_);
    size_ = std::max(size_, bytes);
    pump();
  };
  out.stdin_taken = [this](uint64_t offset) {
    const std::lock_guard lock(mutex_);
    stdin_taken_ = std::max(stdin_taken_, offset);
    pump();
  };
  out.stdin_closed = [this] {
    const std::lock_guard lock(mutex_);
    stdin_closed_ = true;
    pump();
  };
  return out;
}

void Session::on_state(const shim::ShimState& state) {
  const std::lock_guard lock(mutex_);
  size_ = std::max(size_, state.output_bytes);
  stdin_taken_ = std::max(stdin_taken_, state.stdin_offset);
  started_ = state.started;
  if (state.ending) {
    ending_ = state.ending;
    ended_at_ = state.ended;
  }
  pump();
}

void Session::end_with(const Ending& ending, uint64_t output_bytes) {
  const std::lock_guard lock(mutex_);
  size_ = std::max(size_, output_bytes);
  if (!ending_) ending_ = ending;
  pump();
}

void Session::set_link(std::unique_ptr<shim::ShimLink> link) {
  std::unique_ptr<shim::ShimLink> old;
  {
    const std::lock_guard lock(link_mutex_);
    old = std::exchange(link_, std::move(link));
  }
}

bool Session::ended() {
  const std::lock_guard lock(mutex_);
  return ending_.has_value();
}

bool Session::is_served() {
  const std::lock_guard lock(mutex_);
  return call_ && !call_->done;
}

bool Session::wants_to_hang_up() {
  const std::lock_guard lock(mutex_);
  return hang_up_wanted_;
}

void Session::hang_up() {
  const std::lock_guard lock(link_mutex_);
  if (link_) (void)link_->signal(1);
}

void Session::kill() {
  const std::lock_guard lock(link_mutex_);
  if (link_) (void)link_->kill_all();
}

// ── to the caller ───────────────────────────────────────────────────────────────────────────────

void Session::pump() {
  if (!call_ || call_->over || call_->writing || call_->told_end || !choose()) return;
  call_->writing = true;
  if (call_->told_end) {
    call_->StartWriteLast(&call_->up, grpc::WriteOptions());
  } else {
    call_->StartWrite(&call_->up);
  }
}

bool Session::choose() {
  Call& call = *call_;
  pb::AttachReply& reply = *call.up.mutable_reply();
  if (!call.told_state) {
    call.told_state = true;
    reply.mutable_state()->set_state(pb::RUNNING);
    return true;
  }
  if (call.told_taken != stdin_taken_) {
    call.told_taken = stdin_taken_;
    reply.set_stdin_taken(stdin_taken_);
    return true;
  }
  if (stdin_closed_ && !call.told_closed) {
    call.told_closed = true;
    reply.set_stdin_closed(true);
    return true;
  }
  if (call.next < std::min(size_, call.read + kSessionWindowBytes)) {
    return fill_output(*reply.mutable_output());
  }
  if (!ending_ || call.next < size_) return false;
  call.told_end = true;
  pb::AttachEnd& end = *reply.mutable_end();
  end.set_state(ending_->status == 0 ? pb::SUCCEEDED : pb::FAILED);
  *end.mutable_ending() = wire::to_proto(*ending_);
  end.mutable_timeline()->set_started_us(started_.us);
  end.mutable_timeline()->set_ended_us(ended_at_.us);
  return true;
}

bool Session::fill_output(pb::OutputChunk& chunk) {
  Call& call = *call_;
  const auto fail = [&](const std::string& why) {
    log::error("{}: output of a session: {}", to_string(key_), why);
    call.over = true;
    call.context.TryCancel();
    return false;
  };
  if (!output_) {
    Result<UniqueFd> opened = open_file(folder_ + "/output", O_RDWR);
    if (!opened) return fail(opened.error().message);
    output_ = std::move(*opened);
  }
  const uint64_t end = std::min(size_, call.read + kSessionWindowBytes);
  std::string& into = *chunk.mutable_data();
  into.resize(std::min<size_t>(kChunkBytesMax, end - call.next));
  ssize_t n = 0;
  do {
    n = ::pread(output_.get(), into.data(), into.size(), static_cast<off_t>(call.next));
  } while (n < 0 && errno == EINTR);
  if (n <= 0 || call.next < released_) return fail("what is wanted is not there any more");
  into.resize(static_cast<size_t>(n));
  chunk.set_offset(call.next);
  call.next += static_cast<uint64_t>(n);
  return true;
}

// ── from the caller ─────────────────────────────────────────────────────────────────────────────

void Session::on_request(const pb::AttachRequest& request) {
  switch (request.kind_case()) {
    case pb::AttachRequest::kOutputRead:
      output_read(request.output_read());
      return;
    case pb::AttachRequest::kHangUp: {
      {
        const std::lock_guard lock(mutex_);
        hang_up_wanted_ = true;
      }
      hang_up();
      return;
    }
    default:
      to_shim(request);
  }
}

// A terminal that is open for weeks must not fill the disk with what was seen.
void Session::output_read(uint64_t offset) {
  const std::lock_guard lock(mutex_);
  if (!call_) return;
  call_->read = std::max(call_->read, std::min(offset, call_->next));
  if (output_ && call_->read >= released_ + 2 * kReleaseEvery) {
    const uint64_t upto = (call_->read - kReleaseEvery) & ~uint64_t{4095};
    ::fallocate(output_.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                static_cast<off_t>(released_), static_cast<off_t>(upto - released_));
    released_ = upto;
  }
  pump();
}

void Session::to_shim(const pb::AttachRequest& request) {
  const std::lock_guard lock(link_mutex_);
  if (!link_) return;
  Status done = ok();
  if (request.has_stdin()) {
    const pb::StdinChunk& chunk = request.stdin();
    done = link_->write_stdin(chunk.offset(), chunk.data(), chunk.eof());
  } else if (request.has_resize()) {
    done = link_->resize(wire::from_proto(request.resize()));
  } else if (request.kind_case() == pb::AttachRequest::kSignal && request.signal() > 0 &&
             request.signal() <= 64) {
    done = request.signal() == 9 ? link_->kill_all() : link_->signal(request.signal());
  }
  if (!done) log::debug("{}: to the shim of a session: {}", to_string(key_), done.error().message);
}

}  // namespace devrun::agent
