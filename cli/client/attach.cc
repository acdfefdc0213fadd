#include "cli/client/attach.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <thread>

#include "cli/output/ending_text.h"
#include "common/base/units.h"

namespace devrun::cli {

namespace {

constexpr auto kConflictPatience = std::chrono::seconds(15);
constexpr int kBackoffMs = 50;
constexpr auto kLookUpEvery = std::chrono::milliseconds(20);  // whether we leave
constexpr int kBackoffMaxMs = 1000;

// SIGURG interrupts a write that nobody takes when the driver wants to leave.
void do_nothing(int /*signal*/) {}

}  // namespace

AttachSession::AttachSession(Controller& controller, Console& console, Signals* signals,
                             AttachOptions options)
    : controller_(controller),
      console_(console),
      signals_(signals),
      options_(std::move(options)),
      job_(to_string(options_.what.task_key())),
      terminal_(options_.in, options_.detach_keys),
      wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      out_lines_(options_.rank_prefix),
      err_lines_(options_.rank_prefix),
      matcher_(options_.tty ? options_.detach_keys : ""),
      stdin_open_(options_.write_stdin),
      stdin_placed_(!options_.stdin_goes_on),
      watches_(options_.watch) {}

AttachSession::~AttachSession() = default;

Result<Attached> AttachSession::run() {
  struct sigaction action {};
  action.sa_handler = do_nothing;
  ::sigaction(SIGURG, &action, nullptr);
  reader_thread_ = ::pthread_self();
  started_at_ = Clock::now();
  resize_pending_ = options_.tty;
  std::thread driver([this] { drive(); });
  Result<Attached> out = Error{};
  for (;;) {
    auto once = read_once();
    if (!once) {
      out = std::move(once).error();
      break;
    }
    if (!*once) *once = wait_before_reconnecting();
    if (*once) {
      out = std::move(**once);
      out->signal = stopped_by_;
      break;
    }
  }
  reader_done_ = true;
  stop_driver_ = true;
  wake();
  driver.join();
  if (terminal_.is_entered()) restore_screen();
  terminal_.leave();
  console_.set_raw(false);
  return out;
}

// The program may live on, or may have been killed before it could do so itself. A terminal that takes nothing keeps
// nobody here.
void AttachSession::restore_screen() {
  const std::string undo = screen_.undo();
  pollfd writable{console_.out(), POLLOUT, 0};
  if (undo.empty() || ::poll(&writable, 1, 0) != 1 || (writable.revents & POLLOUT) == 0) return;
  [[maybe_unused]] const ssize_t n = ::write(console_.out(), undo.data(), undo.size());
}

Result<std::optional<Attached>> AttachSession::read_once() {
  AttachStart start{.what = options_.what, .output_from = decoder_.offset(), .attempt = attempt_};
  start.write_stdin = !watches_;
  if (!began_) start.begin = options_.begin;
  if (options_.session) {
    start.session = options_.session;
    start.session->exists = session_exists_;
  }
  const std::shared_ptr<AttachStream> stream = controller_.attach(start);
  {
    const std::lock_guard lock(mutex_);
    stdin_.restart();
    stream_ = stream;
    if (leaving_) stream->cancel();
  }
  wake();
  std::optional<Attached> out;
  Status taken = ok();
  while (taken && !out) {
    auto news = stream->read();
    if (!news) break;
    ever_connected_ = true;
    failures_ = 0;
    say_back();
    taken = take(std::move(*news), out);
  }
  if (options_.session && !taken && taken.error().code == Code::kCancelled) {
    // Nobody reads its output: it is hung up, and the driver ends the call if that takes long.
    leave(Attached::How::kBrokenPipe);
    wake();
    while (const auto news = stream->read()) {
      if (std::holds_alternative<AttachEnd>(*news)) break;
    }
  }
  if (!taken || out) stream->cancel();  // after the ending there is nothing more to wait for
  {
    const std::lock_guard lock(mutex_);
    stream_.reset();
    if (leaving_ && (!out || options_.session)) out = Attached{*leaving_, {}};
  }
  const std::lock_guard no_write(write_mutex_);
  const Status finished = stream->finish();
  if (out) return out;
  if (!taken && taken.error().code == Code::kCancelled) return std::optional(broken_pipe());
  if (!taken) return taken.error();
  const Error error =
      finished ? Error{Code::kUnavailable, "the connection was closed", {}} : finished.error();
  if (is_another_writer(error)) {
    watch_from_now_on();
    return std::optional<Attached>{};
  }
  if (!is_transient(error)) return error;
  say_lost(error);
  return std::optional<Attached>{};
}

// And not a call of our own that broke before its first word.
bool AttachSession::is_another_writer(const Error& error) const {
  if (error.code != Code::kConflict || ever_connected_ || watches_ || options_.session)
    return false;
  return failures_ == 0 || Clock::now() - lost_at_ >= kConflictPatience;
}

void AttachSession::watch_from_now_on() {
  watches_ = true;
  {
    const std::lock_guard lock(mutex_);
    stdin_open_ = false;
  }
  console_.say(
      fmt::format("another devrun writes to job {}: this one watches, and Ctrl-C ends "
                  "that alone",
                  job_));
}

bool AttachSession::is_transient(const Error& error) const {
  if (!ever_connected_ && !options_.patient) return false;
  switch (error.code) {
    case Code::kUnavailable:
    case Code::kTimeout:
    case Code::kCancelled:
      return true;
    case Code::
        kConflict:  // the job has ended, or the controller still holds our broken call for the writer of stdin
      return !options_.session && Clock::now() - lost_at_ < kConflictPatience;
    case Code::kInternal:
      return ever_connected_;
    default:
      return false;
  }
}

void AttachSession::say_lost(const Error& error) {
  if (failures_++ == 0) lost_at_ = Clock::now();
  if (said_lost_) return;
  said_lost_ = true;
  if (options_.quiet) return;
  console_.say(
      fmt::format("lost the controller: {}\njob {} goes on; reconnecting", error.message, job_),
      fmt::format("devrun attach {}, later", job_));
}

// Once, as the loss was: a connection that flaps is no news.
void AttachSession::say_back() {
  if (!said_lost_ || said_back_) return;
  said_back_ = true;
  if (!options_.quiet) console_.say(fmt::format("connected again, job {} goes on", job_), {});
}

// Until it is connected again and the back-off is over, or we leave.
std::optional<Attached> AttachSession::wait_before_reconnecting() {
  if (failures_ == 0) return {};
  const int shift = std::min(failures_ - 1, 6);
  const auto not_before =
      Clock::now() + std::chrono::milliseconds(std::min(kBackoffMs << shift, kBackoffMaxMs));
  for (;;) {
    {
      const std::lock_guard lock(mutex_);
      if (leaving_) return Attached{*leaving_, {}};
    }
    const bool connected = controller_.wait_connected(kLookUpEvery);
    if (connected && Clock::now() >= not_before) return {};
    if (connected) std::this_thread::sleep_for(kLookUpEvery);
  }
}

Status AttachSession::take(AttachNews&& news, std::optional<Attached>& out) {
  if (auto* state = std::get_if<AttachState>(&news)) TRY(take_state(std::move(*state)));
  if (const auto* output = std::get_if<AttachOutput>(&news)) {
    TRY(take_output(*output));
    return ok();  // it wakes the driver itself, if that has to know
  }
  if (auto* end = std::get_if<AttachEnd>(&news)) {
    TRY(write_lines(console_.out(), out_lines_.finish()));
    TRY(write_lines(console_.err(), err_lines_.finish()));
    if (end->output_missing != 0) {
      output_is_cut_ = true;
      if (!options_.quiet) console_.say(missing_output_words(end->output_missing));
    }
    out = Attached{Attached::How::kEnded, std::move(*end), output_is_cut_};
  }
  if (const auto* taken = std::get_if<StdinTaken>(&news)) {
    const std::lock_guard lock(mutex_);
    if (!stdin_placed_) stdin_.begin_at(taken->offset);
    stdin_placed_ = true;
    stdin_.taken(taken->offset);
  }
  if (std::holds_alternative<StdinClosed>(news)) {
    const std::lock_guard lock(mutex_);
    stdin_open_ = false;
  }
  wake();
  return ok();
}

// The output of another attempt begins at its own first byte.
Status AttachSession::begin_attempt(const AttachState& state) {
  TRY(write_lines(console_.out(), out_lines_.finish()));
  TRY(write_lines(console_.err(), err_lines_.finish()));
  decoder_ = {};
  output_is_cut_ = false;
  if (!options_.quiet && state.missing_before != 0) {
    console_.say(missing_output_words(state.missing_before));
  }
  if (!options_.quiet) {
    console_.say(fmt::format("job {}: attempt {} begins{}{}", job_, state.attempt,
                             state.node.empty() ? "" : " on ", state.node));
  }
  const std::lock_guard lock(mutex_);
  output_read_ = 0;
  told_output_read_ = 0;
  return ok();
}

Status AttachSession::take_state(AttachState&& state) {
  if (attempt_ != 0 && state.attempt > attempt_) TRY(begin_attempt(state));
  if (state.attempt != 0) attempt_ = state.attempt;
  const bool has_program =
      state.state == JobState::kRunning || state.state == JobState::kCompleting;
  if (has_program) session_exists_ = true;
  if (has_program) enter_raw_mode();
  const std::lock_guard lock(mutex_);
  state_ = std::move(state);
  state_known_ = true;
  return ok();
}

void AttachSession::enter_raw_mode() {
  if (!options_.tty || watches_ || terminal_.is_raw()) return;
  if (const Status raw = terminal_.enter(TerminalMode::kRaw); !raw) {
    console_.say(raw.error());
    return;
  }
  console_.set_raw(true);
}

Status AttachSession::take_output(const AttachOutput& output) {
  std::string_view bytes = output.bytes;
  if (!began_ && options_.before_output) options_.before_output();
  if (!began_ && options_.begin) say_where_it_begins(output.offset);
  began_ = true;
  const uint64_t at = decoder_.offset();
  if (output.offset > at) {
    return Error{Code::kCorrupt,
                 fmt::format("the output of job {} continues at byte {} after byte {}", job_,
                             output.offset, at),
                 fmt::format("devrun logs {}", job_)};
  }
  const uint64_t known = std::min<uint64_t>(at - output.offset, bytes.size());
  bytes.remove_prefix(static_cast<size_t>(known));
  enter_raw_mode();
  TRY(decoder_.feed(bytes, [this](const OutputPiece& piece) { return write_piece(piece); }));
  bool driver_has_to_know = false;
  {
    const std::lock_guard lock(mutex_);
    driver_has_to_know = output_read_ == 0;  // the program has begun
    output_read_ = decoder_.offset();
    driver_has_to_know = driver_has_to_know || output_read_is_due();
  }
  if (driver_has_to_know) wake();
  return ok();
}

void AttachSession::say_where_it_begins(uint64_t offset) {
  decoder_.begin_at(offset);
  if (offset == 0 || options_.quiet) return;
  console_.say(
      fmt::format("the first {} of output are left out", format_size(static_cast<int64_t>(offset))),
      fmt::format("devrun logs {}", job_));
}

Status AttachSession::write_piece(const OutputPiece& piece) {
  if (piece.stream == OutputStream::kMark) {
    if (!options_.quiet) console_.say(piece.bytes);
    output_is_cut_ = true;  // there are no other marks
    return ok();
  }
  if (terminal_.is_entered()) screen_.feed(piece.bytes);
  const bool is_error = piece.stream == OutputStream::kStderr;
  const int fd = is_error ? console_.err() : console_.out();
  if (options_.rank_prefix.empty()) return write_to(fd, piece.bytes);
  LinePrefixer& lines = is_error ? err_lines_ : out_lines_;
  return write_lines(fd, lines.feed(piece.bytes));
}

Status AttachSession::write_lines(int fd, const std::string& lines) {
  const std::lock_guard lock(console_.lines());
  return write_to(fd, lines);
}

Status AttachSession::write_to(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    if (stop_writing_) return Error{Code::kTimeout, "left while the output was not taken", {}};
    const ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n >= 0) {
      bytes.remove_prefix(static_cast<size_t>(n));
      continue;
    }
    if (errno == EINTR) continue;
    if (errno == EAGAIN) {  // someone else made our stdout non-blocking
      pollfd writable{fd, POLLOUT, 0};
      ::poll(&writable, 1, -1);
      continue;
    }
    if (errno == EPIPE) return Error{Code::kCancelled, "nobody reads the output any more", {}};
    return errno_error("writing the job's output", errno);
  }
  return ok();
}

Attached AttachSession::broken_pipe() {
  // As a program of ours would end by SIGPIPE. A job that has ended meanwhile is no matter.
  if (!watches_) (void)controller_.cancel(options_.what.task_key(), 0);
  return Attached{Attached::How::kBrokenPipe, {}};
}

void AttachSession::nobody_reads() {
  (void)broken_pipe();
  leave(Attached::How::kBrokenPipe);
  wake();
}

}  // namespace devrun::cli
