// What tests of AttachSession have in common: pipes in the place of stdin, stdout and stderr, and a controller in this
// process over a real gRPC connection.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <future>

#include "cli/client/attach.h"
#include "tests/unit/cli/client/fake_controller.h"

namespace devrun::cli {

// Before any thread exists, so that a signal to the process stays pending until the session takes it.
inline const bool signals_blocked = [] {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGINT, SIGTERM, SIGQUIT, SIGUSR1, SIGUSR2, SIGHUP, SIGWINCH, SIGCONT})
    sigaddset(&set, signal);
  ::signal(SIGPIPE, SIG_IGN);
  return ::pthread_sigmask(SIG_BLOCK, &set, nullptr) == 0;
}();

struct Pipe {
  Pipe() { EXPECT_EQ(::pipe2(fds, O_CLOEXEC), 0); }
  ~Pipe() {
    close_read();
    close_write();
  }
  void close_read() { close_one(0); }
  void close_write() { close_one(1); }
  int fds[2] = {-1, -1};

 private:
  void close_one(int which) {
    if (fds[which] >= 0) ::close(fds[which]);
    fds[which] = -1;
  }
};

// Reads a pipe to its end, and tells when something has come.
class Collector {
 public:
  explicit Collector(int fd) : thread_([this, fd] { collect(fd); }) {}
  ~Collector() { thread_.join(); }

  bool wait_for(const std::string& text) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(10),
                             [&] { return text_.find(text) != std::string::npos; });
  }
  std::string all() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return ended_; });
    return text_;
  }

 private:
  void collect(int fd) {
    char buffer[65536];
    for (ssize_t n = 0; (n = ::read(fd, buffer, sizeof buffer)) > 0;) {
      const std::lock_guard lock(mutex_);
      text_.append(buffer, static_cast<size_t>(n));
      changed_.notify_all();
    }
    const std::lock_guard lock(mutex_);
    ended_ = true;
    changed_.notify_all();
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::string text_;
  bool ended_ = false;
  std::thread thread_;
};

class Attach : public testing::Test {
 protected:
  void start(bool write_stdin = true, bool with_signals = false) {
    if (with_signals) signals_.emplace(std::move(*Signals::take()));
    options_.what = AttemptKey{42, kNoTask, 0, 1};
    options_.in = in_.fds[0];
    options_.write_stdin = write_stdin;
    out_text_ = std::make_unique<Collector>(out_.fds[0]);
    err_text_ = std::make_unique<Collector>(err_.fds[0]);
    session_ = std::make_unique<AttachSession>(controller_, console_,
                                               signals_ ? &*signals_ : nullptr, options_);
    result_ = std::async(std::launch::async, [this] { return session_->run(); });
  }
  Result<Attached> finish() {
    Result<Attached> result = result_.get();
    out_.close_write();
    err_.close_write();
    output_ = out_text_->all();
    words_ = err_text_->all();
    return result;
  }
  void finish_succeeding() {
    const Result<Attached> result = finish();
    ASSERT_TRUE(result) << result.error().message;
    EXPECT_EQ(result->how, Attached::How::kEnded);
    EXPECT_EQ(result->end.ending.status, 0);
  }

  explicit Attach(FakeController::Over over = FakeController::Over::kUnixSocket) : fake_(over) {}

  FakeController fake_;
  Pipe in_;
  Pipe out_;
  Pipe err_;
  Controller controller_{fake_.target()};
  Console console_{out_.fds[1], err_.fds[1]};
  std::optional<Signals> signals_;
  AttachOptions options_;
  std::unique_ptr<AttachSession> session_;
  std::unique_ptr<Collector> out_text_;
  std::unique_ptr<Collector> err_text_;
  std::future<Result<Attached>> result_;
  std::string output_;
  std::string words_;
};

}  // namespace devrun::cli
