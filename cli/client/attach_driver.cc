// The driver's half of AttachSession: stdin, signals, timers, and all that is sent.
#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "cli/client/attach.h"

namespace devrun::cli {

namespace {

constexpr auto kSayWhyAfter = std::chrono::seconds(1);
constexpr auto kTwoInterruptsWithin = std::chrono::seconds(2);
constexpr int kBackgroundPollMs = 250;
constexpr int kUnblockReaderMs = 20;
constexpr int kCancelPollMs = 100;
constexpr size_t kSignalsPendingMax = 16;
constexpr auto kSessionEndPatience = std::chrono::seconds(1);

}  // namespace

void AttachSession::wake() {
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t n =
      ::write(wake_.get(), &one, sizeof one);  // full: it is awake already
}

void AttachSession::drive() {
  while (!stop_driver_) {
    const bool wants = wants_input();
    const bool may_read = wants && is_foreground(options_.in);
    if (may_read) ready_terminal();
    std::array<pollfd, 3> polled{{{wake_.get(), POLLIN, 0},
                                  {signals_ != nullptr ? signals_->fd() : -1, POLLIN, 0},
                                  {may_read ? options_.in : -1, POLLIN, 0}}};
    int timeout_ms = poll_timeout_ms();
    if (wants && !may_read) {
      timeout_ms = timeout_ms < 0 ? kBackgroundPollMs : std::min(timeout_ms, kBackgroundPollMs);
    }
    if (::poll(polled.data(), polled.size(), timeout_ms) < 0 && errno != EINTR) return;
    uint64_t wakes = 0;
    if (polled[0].revents != 0) [[maybe_unused]]
      const ssize_t n = ::read(wake_.get(), &wakes, sizeof wakes);
    if (polled[1].revents != 0) take_signals();
    if (polled[2].revents != 0) read_stdin();
    say_why_it_waits();
    leave_if_no_end_comes();
    send_pending();
  }
}

int AttachSession::poll_timeout_ms() {
  const std::lock_guard lock(mutex_);
  if (leaving_) return kUnblockReaderMs;
  if (cancelling_) return kCancelPollMs;
  if (state_.state != JobState::kQueued || !said_reason_.empty()) return -1;
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
      started_at_ + kSayWhyAfter - Clock::now());
  return static_cast<int>(std::max<int64_t>(left.count() + 1, 0));
}

// The keys of a terminal may be the detach sequence. Once the program reads no more they are the next reader's.
bool AttachSession::wants_input() {
  const std::lock_guard lock(mutex_);
  if (options_.tty) return (stdin_open_ || watches_) && !keys_ended_;
  return stdin_open_ && stdin_placed_ && stdin_.wants_input();
}

void AttachSession::ready_terminal() {
  if (!options_.tty || terminal_.is_entered()) return;
  if (const Status ready = terminal_.enter(TerminalMode::kWaiting); !ready) {
    console_.say(ready.error());
    keys_ended_ = true;
  }
}

void AttachSession::read_stdin() {
  size_t room = kInBytesMax;
  if (!options_.tty) {
    const std::lock_guard lock(mutex_);
    if (!stdin_open_) return;  // closed while we polled: what lies there is the next reader's
    room = stdin_.room();
  }
  const ssize_t n = ::read(options_.in, in_buffer_.get(), std::min(room, kInBytesMax));
  if (n < 0 && (errno == EINTR || errno == EAGAIN)) return;
  if (n <= 0) {
    keys_ended_ = true;
    const std::lock_guard lock(mutex_);
    stdin_.end_of_file();
    return;
  }
  const DetachMatcher::Typed typed = matcher_.feed({in_buffer_.get(), static_cast<size_t>(n)});
  {
    const std::lock_guard lock(mutex_);
    // Keys for which there is no room are lost, as in any terminal.
    if (stdin_open_ && typed.bytes.size() <= stdin_.room()) stdin_.append(typed.bytes);
  }
  if (typed.detached) leave(Attached::How::kDetached);
}

void AttachSession::take_signals() {
  while (const auto signal = signals_->next()) {
    switch (*signal) {
      case SIGWINCH:
      case SIGCONT: {
        if (!options_.tty) break;
        (void)terminal_.enter_again();
        const std::lock_guard lock(mutex_);
        resize_pending_ = true;
        break;
      }
      case SIGHUP:
        if (options_.has_terminal) {
          leave(Attached::How::kHungUp);
        } else {
          end_or_forward(SIGHUP);
        }
        break;
      case SIGINT:
        interrupt_key();
        break;
      default:
        end_or_forward(*signal);
    }
  }
}

// Whether it is another's job to end. Before the controller has said a word of a job that is not ours alone, we act as
// if it were.
bool AttachSession::only_watches() {
  if (watches_ || options_.signals_end_us) return true;
  const std::lock_guard lock(mutex_);
  return !options_.patient && !options_.session && !state_known_;
}

void AttachSession::stop_watching(int signal) {
  stopped_by_ = signal;
  leave(Attached::How::kStoppedWatching);
}

// Ctrl-C, where it is no key of the job's.
void AttachSession::interrupt_key() {
  if (only_watches()) return stop_watching(SIGINT);
  if (cancelling_) return leave(Attached::How::kLeft);
  const auto now = Clock::now();
  const bool again =
      !options_.tty && interrupted_at_ && now - *interrupted_at_ < kTwoInterruptsWithin;
  interrupted_at_ = now;
  if (again) return cancel_job();
  end_or_forward(SIGINT);
}

// A signal for the program. One that would end a program ends a job that has none yet.
void AttachSession::end_or_forward(int signal) {
  if (only_watches()) return stop_watching(signal);
  if (before_program() && signal != SIGUSR1 && signal != SIGUSR2) return cancel_job();
  const std::lock_guard lock(mutex_);
  if (signals_pending_.size() < kSignalsPendingMax) signals_pending_.push_back(signal);
}

bool AttachSession::before_program() {
  const std::lock_guard lock(mutex_);
  const JobState state = state_.state;
  return output_read_ == 0 && (state == JobState::kQueued || state == JobState::kStarting ||
                               state == JobState::kSettingUp);
}

void AttachSession::cancel_job() {
  if (cancelling_) return;
  if (options_.session) return leave(Attached::How::kLeft);  // the job is not ours to end
  cancelling_ = true;
  cancelled_at_ = Clock::now();
  const auto cancelled = controller_.cancel(options_.what.task_key(), 0);
  if (cancelled) {
    if (!options_.quiet)
      console_.say(fmt::format("cancelling job {}; Ctrl-C again: do not wait for its end", job_));
    return;
  }
  if (cancelled.error().code == Code::kConflict) return;  // it has ended: that is on its way to us
  Error error = cancelled.error();
  error.hint = fmt::format("devrun cancel {}", job_);
  console_.say(
      std::move(error).context(fmt::format("job {} goes on, it could not be cancelled", job_)));
  leave(Attached::How::kLeft);
}

void AttachSession::leave(Attached::How how) {
  const std::lock_guard lock(mutex_);
  if (leaving_) return;
  leaving_ = how;
  const bool says_so = options_.session ? session_exists_.load()
                                        : how == Attached::How::kDetached && !options_.keeps;
  if (says_so && stream_) {
    leave_by_ = Clock::now() + kSessionEndPatience;
    return;  // hung up, or kept, first
  }
  if (stream_) stream_->cancel();
  stop_writing_ = true;
}

// A session that we leave for good is told so, and ends by that as a rule; so is a job that would be cancelled without
// us. The call is over then, or by the deadline.
void AttachSession::hang_up(AttachStream& stream) {
  if (!hung_up_) {
    hung_up_ = true;
    if (options_.session) {
      stream.send_hang_up();
    } else {
      stream.send_keep();  // the call is over once that is durable
    }
    return;
  }
  const std::lock_guard lock(mutex_);
  if (Clock::now() >= leave_by_) {
    stop_writing_ = true;
    stream.cancel();
  }
}

void AttachSession::send_pending() {
  const std::lock_guard writing(write_mutex_);
  std::shared_ptr<AttachStream> stream;
  bool hangs_up = false;
  {
    const std::lock_guard lock(mutex_);
    stream = stream_;
    // A write that nobody takes would keep the reader from hearing that we leave.
    if (leaving_ && !reader_done_) ::pthread_kill(reader_thread_, SIGURG);
    hangs_up = leaving_ && leave_by_ != Clock::time_point{};
  }
  if (stream && hangs_up) {
    hang_up(*stream);
    return;
  }
  while (stream && send_one(*stream)) continue;
}

// False when there is nothing to send, or the call is over.
bool AttachSession::send_one(AttachStream& stream) {
  std::unique_lock lock(mutex_);
  if (leaving_) return false;
  if (watches_) {
    if (!output_read_is_due()) return false;
    told_output_read_ = output_read_;
    lock.unlock();
    return stream.send_output_read(told_output_read_);
  }
  if (!signals_pending_.empty()) {
    const int signal = signals_pending_.front();
    signals_pending_.pop_front();
    lock.unlock();
    if (stream.send_signal(signal)) return true;
    lock.lock();
    signals_pending_.push_front(signal);  // for the next call
    return false;
  }
  if (resize_pending_) {
    resize_pending_ = false;
    lock.unlock();
    if (stream.send_resize(terminal_size(options_.in))) return true;
    lock.lock();
    resize_pending_ = true;
    return false;
  }
  if (output_read_is_due()) {
    told_output_read_ = output_read_;
    lock.unlock();
    return stream.send_output_read(told_output_read_);
  }
  if (!stdin_open_ || !stdin_placed_) return false;
  const auto chunk = stdin_.next();
  if (!chunk) return false;
  std::string bytes(chunk->bytes);  // the reader may drop them from the window meanwhile
  lock.unlock();
  return stream.send_stdin(chunk->offset, std::move(bytes), chunk->eof);
}

// The cancellation is on record and is carried out as soon as it can be; nobody has to watch that.
void AttachSession::leave_if_no_end_comes() {
  if (!cancelling_ || Clock::now() < cancelled_at_ + options_.cancel_patience) return;
  std::string why = "it has not ended yet";
  {
    const std::lock_guard lock(mutex_);
    if (leaving_) return;
    if (state_.state == JobState::kUnreachable) {
      why = state_.reason.empty() ? "its node is silent" : state_.reason;
      why += ", so that its end cannot be seen; it ends when the node is back";
    }
  }
  console_.say(fmt::format("job {} is cancelled, but {}", job_, why),
               fmt::format("devrun show {}", job_));
  leave(Attached::How::kLeft);
}

void AttachSession::say_why_it_waits() {
  std::string words;
  {
    const std::lock_guard lock(mutex_);
    const bool held = state_.state == JobState::kStarting && !state_.reason.empty();
    const bool queued = state_.state == JobState::kQueued;
    const bool waits = held || (queued && Clock::now() >= started_at_ + kSayWhyAfter);
    const bool silent = state_.state == JobState::kUnreachable;
    if (!waits && !silent) {
      if (!queued) said_reason_.clear();
      return;
    }
    const std::string_view otherwise = silent ? "its node is silent" : "no node has taken it yet";
    const std::string_view reason =
        state_.reason.empty() ? otherwise : std::string_view(state_.reason);
    if (reason == said_reason_) return;
    said_reason_ = reason;
    words = fmt::format("job {} {}: {}", job_, silent ? "is out of reach" : "waits", reason);
  }
  if (!options_.quiet) console_.say(words, fmt::format("devrun explain {}", job_));
}

}  // namespace devrun::cli
