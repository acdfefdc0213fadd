// Being attached to a job: its output to our stdout and stderr, our stdin, signals and terminal to
// it, until it ends, we detach, or nobody reads our output any more. A lost controller is said
// once; then it goes on at the very byte.
//
// One caller is a job's writer. Any other watches: nothing of it reaches the job, and a signal ends
// the watching alone. Who asks to write while another does becomes a watcher for good.
//
// A terminal is made ready as soon as it is ours (RawTerminal): so the detach keys detach from a job
// that waits for room, and what is typed meanwhile is the program's.
//
// Two threads. The caller's reads the stream and writes the output; the driver polls stdin, signals
// and timers and is the only one that writes to the stream. `mutex_` guards what they share;
// `write_mutex_` keeps a call from being finished under the driver's write. The driver may sit in a
// write for as long as the controller takes nothing, so it holds nothing then that the reader
// needs.
#pragma once

#include <pthread.h>

#include <atomic>
#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "cli/client/attach_stream.h"
#include "cli/client/controller.h"
#include "cli/client/detach_keys.h"
#include "cli/client/screen_modes.h"
#include "cli/client/signals.h"
#include "cli/client/stdin_window.h"
#include "cli/client/terminal.h"
#include "cli/output/console.h"
#include "cli/output/line_prefixer.h"

namespace devrun::cli {

struct AttachOptions {
  AttemptKey what;
  int in = 0;
  bool watch = false;  // nothing of ours reaches the job; write_stdin and tty are false then
  bool signals_end_us = false;  // of a session: they are not its program's
  bool write_stdin = false;
  // Someone may have written before us: where stdin goes on is the controller's to say.
  bool stdin_goes_on = false;
  bool tty = false;           // of the job; `in` is a terminal then
  std::string detach_keys;    // bytes of the sequence; tty only
  bool has_terminal = false;  // a controlling one: its HUP detaches
  bool patient =
      false;  // the job is known to exist: a controller that is away at first will be back
  bool quiet = false;
  std::string rank_prefix;                   // before each line: "[3] "; empty: none
  std::optional<SessionWish> session = {};   // a session of the job instead of its own streams
  std::optional<LogBegin> begin = {};        // the output from there on; unset: all of it
  std::function<void()> before_output = {};  // called before the first byte of it
  bool keeps = true;  // leaving on purpose need not be said: the job outlives us in any case
  // After a cancellation: how long an end that does not come is waited for. Longer than the grace that programs get.
  std::chrono::milliseconds cancel_patience = std::chrono::seconds(30);
};

struct Attached {
  enum class How {
    kEnded,            // `end` says how
    kDetached,         // asked for
    kHungUp,           // the terminal is gone
    kBrokenPipe,       // the job was cancelled, since nobody reads its output
    kLeft,             // Ctrl-C again after the cancellation, or it could not be delivered
    kStoppedWatching,  // by `signal`; the job goes on
  };
  How how = How::kEnded;
  AttachEnd end;
  bool output_is_cut = false;  // a mark in it said so, or its node was lost with the rest
  int signal = 0;
};

class AttachSession {
 public:
  // `signals` may be null: none are passed on.
  AttachSession(Controller& controller, Console& console, Signals* signals, AttachOptions options);
  ~AttachSession();
  AttachSession(const AttachSession&) = delete;
  AttachSession& operator=(const AttachSession&) = delete;

  Result<Attached> run();
  // Any thread: `run` returns soon, with kLeft.
  void stop() {
    leave(Attached::How::kLeft);
    wake();
  }
  // Any thread, while `run` is under way: nobody reads another rank's output any more.
  void nobody_reads();

 private:
  using Clock = std::chrono::steady_clock;
  static constexpr size_t kInBytesMax = StdinWindow::kChunkBytesMax;  // of one read
  static constexpr uint64_t kTellOutputReadEvery = 512 << 10;

  // The reader (attach.cc).
  Result<std::optional<Attached>>
  read_once();  // one call; nothing: it broke, and may be tried again
  Status take(AttachNews&& news, std::optional<Attached>& out);
  Status take_output(const AttachOutput& output);
  void say_where_it_begins(uint64_t offset);
  Status write_piece(const OutputPiece& piece);
  Status write_lines(int fd, const std::string& lines);
  Status write_to(int fd, std::string_view bytes);
  Status take_state(AttachState&& state);
  Status begin_attempt(const AttachState& state);
  void enter_raw_mode();
  void restore_screen();
  Attached broken_pipe();
  bool is_another_writer(const Error& error) const;
  void watch_from_now_on();
  bool is_transient(const Error& error) const;
  void say_lost(const Error& error);
  void say_back();
  std::optional<Attached> wait_before_reconnecting();

  // The driver (attach_driver.cc).
  void drive();
  int poll_timeout_ms();
  bool wants_input();
  void ready_terminal();
  void read_stdin();
  void take_signals();
  bool only_watches();
  void stop_watching(int signal);
  void interrupt_key();
  void end_or_forward(int signal);
  void cancel_job();
  void send_pending();
  bool send_one(AttachStream& stream);
  void say_why_it_waits();
  void leave_if_no_end_comes();
  void leave(Attached::How how);
  void hang_up(AttachStream& stream);
  bool before_program();
  bool output_read_is_due() const {  // under mutex_: to be told to the controller
    return output_read_ >= told_output_read_ + kTellOutputReadEvery;
  }
  void wake();

  Controller& controller_;
  Console& console_;
  Signals* signals_;
  AttachOptions options_;
  std::string job_;  // for people
  RawTerminal terminal_;
  ScreenModes screen_;  // the reader's alone
  UniqueFd wake_;
  pthread_t reader_thread_{};

  // The reader's alone.
  RecordDecoder decoder_;
  bool output_is_cut_ = false;
  uint32_t attempt_ = 0;  // whose output is being read
  LinePrefixer out_lines_;
  LinePrefixer err_lines_;
  bool began_ = false;  // the first byte of output has come
  bool ever_connected_ = false;
  std::atomic<bool> session_exists_ = false;  // its node has answered
  bool said_lost_ = false;
  bool said_back_ = false;
  int failures_ = 0;
  Clock::time_point lost_at_;

  // The driver's alone.
  DetachMatcher matcher_;
  const std::unique_ptr<char[]> in_buffer_ = std::make_unique_for_overwrite<char[]>(kInBytesMax);
  Clock::time_point started_at_;
  std::optional<Clock::time_point> interrupted_at_;
  bool cancelling_ = false;
  Clock::time_point cancelled_at_;
  bool keys_ended_ = false;  // the terminal gives no more
  std::string said_reason_;
  bool hung_up_ = false;

  std::mutex write_mutex_;
  std::mutex mutex_;
  std::shared_ptr<AttachStream> stream_;  // null between calls
  StdinWindow stdin_;
  bool stdin_open_ = false;
  bool stdin_placed_ = false;  // the offset of our first byte is known
  AttachState state_;
  bool state_known_ = false;
  uint64_t output_read_ = 0;
  uint64_t told_output_read_ = 0;  // of it, to the controller
  bool resize_pending_ = false;
  std::deque<int> signals_pending_;
  std::optional<Attached::How> leaving_;
  Clock::time_point leave_by_;  // a session: until then its end is waited for
  std::atomic<bool> watches_;
  std::atomic<int> stopped_by_ = 0;  // a signal
  std::atomic<bool> stop_driver_ = false;
  std::atomic<bool> stop_writing_ = false;
  std::atomic<bool> reader_done_ = false;
};

}  // namespace devrun::cli
