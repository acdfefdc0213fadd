// Who may do what of those that are attached to one job, and what the keys of a terminal do before and after it begins.
#include <pty.h>
#include <termios.h>

#include "tests/unit/cli/client/attach_fixture.h"

namespace devrun::cli {
namespace {

TEST_F(Attach, ASignalEndsTheWatchingAndNothingElse) {
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    Console console(out_.fds[1], err_.fds[1]);
    signals_.emplace(std::move(*Signals::take()));
    options_.what = AttemptKey{42, kNoTask, 0, 1};
    options_.watch = true;
    AttachSession session(controller_, console, &*signals_, options_);
    auto result = std::async(std::launch::async, [&] { return session.run(); });
    ASSERT_TRUE(fake_.wait_until([](const auto& job) { return job.attached_now == 1; }));
    ::kill(::getpid(), signal);
    const Result<Attached> attached = result.get();
    ASSERT_TRUE(attached);
    EXPECT_EQ(attached->how, Attached::How::kStoppedWatching);
    EXPECT_EQ(attached->signal, signal);
    ASSERT_TRUE(fake_.wait_until([](const auto& job) { return job.attached_now == 0; }));
    signals_.reset();
  }
  EXPECT_TRUE(fake_.job().signals.empty());
  EXPECT_FALSE(fake_.job().cancelled);
}

TEST_F(Attach, WhoComesWhileAnotherWritesWatches) {
  fake_.change([](FakeController::Job& job) {
    job.has_another_writer = true;
    job.log = log_record(1, "runs");
  });
  EXPECT_EQ(::write(in_.fds[1], "unread", 6), 6);
  options_.stdin_goes_on = true;
  start(true, true);
  ASSERT_TRUE(out_text_->wait_for("runs"));
  ::kill(::getpid(), SIGTERM);
  const auto result = finish();
  ASSERT_TRUE(result);
  EXPECT_EQ(result->how, Attached::How::kStoppedWatching);
  EXPECT_EQ(words_,
            "devrun: another devrun writes to job 42: this one watches, and Ctrl-C ends that "
            "alone\n");
  EXPECT_TRUE(fake_.job().signals.empty());
  EXPECT_TRUE(fake_.job().stdin_bytes.empty());
  char left[16];
  EXPECT_EQ(::read(in_.fds[0], left, sizeof left), 6) << "it was read, and nobody got it";
}

TEST_F(Attach, NobodyReadsWhatAWatcherWrites) {
  fake_.change([](FakeController::Job& job) { job.log = log_record(1, "y\n"); });
  out_.close_read();
  options_.watch = true;
  start(false);
  const auto result = finish();
  ASSERT_TRUE(result);
  EXPECT_EQ(result->how, Attached::How::kBrokenPipe);
  EXPECT_FALSE(fake_.job().cancelled);
}

// A terminal that is no process's own: keys, but no signals of theirs.
class AttachOnTerminal : public Attach {
 protected:
  void SetUp() override {
    int ours = -1;
    ASSERT_EQ(::openpty(&ours, &terminal_, nullptr, nullptr, nullptr), 0);
    keys_ = ours;
    ::close(in_.fds[0]);
    in_.fds[0] = terminal_;
    ASSERT_EQ(::tcgetattr(terminal_, &before_), 0);
    options_.tty = true;
    options_.detach_keys =
        "\x1c"
        "d";
    options_.patient = true;
  }
  void TearDown() override { ::close(keys_); }
  termios modes() const {
    termios out{};
    EXPECT_EQ(::tcgetattr(terminal_, &out), 0);
    return out;
  }
  void type(std::string_view text) const {
    EXPECT_EQ(::write(keys_, text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }
  // Until the job's terminal is `wanted`: a condition of the test, since nothing is sent then.
  bool wait_for_modes(const std::function<bool(const termios&)>& wanted) const {
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (!wanted(modes())) {
      if (std::chrono::steady_clock::now() > until) return false;
      std::this_thread::yield();
    }
    return true;
  }
  static bool is_echoed(const termios& modes) { return (modes.c_lflag & ECHO) != 0; }

  int keys_ = -1;
  int terminal_ = -1;
  termios before_{};
};

TEST_F(AttachOnTerminal, TheKeysDetachFromAJobThatWaits) {
  fake_.change([](FakeController::Job& job) { job.state = pb::QUEUED; });
  start(true, true);
  ASSERT_TRUE(wait_for_modes([](const termios& now) { return !is_echoed(now); }));
  EXPECT_NE(modes().c_lflag & ISIG, 0u) << "Ctrl-C cancels it";
  EXPECT_NE(modes().c_oflag & OPOST, 0u) << "there is no program that writes";
  type(
      "\x1c"
      "d");
  const auto result = finish();
  ASSERT_TRUE(result);
  EXPECT_EQ(result->how, Attached::How::kDetached);
  EXPECT_FALSE(fake_.job().cancelled);
  EXPECT_EQ(modes().c_lflag, before_.c_lflag);
}

TEST_F(AttachOnTerminal, WhatIsTypedWhileAJobWaitsIsThePrograms) {
  fake_.change([](FakeController::Job& job) { job.state = pb::QUEUED; });
  start(true, true);
  ASSERT_TRUE(wait_for_modes([](const termios& now) { return !is_echoed(now); }));
  type(
      "early\x1c"
      "!");
  fake_.change([](FakeController::Job& job) { job.state = pb::RUNNING; });
  EXPECT_TRUE(fake_.wait_until([](const auto& job) {
    return job.stdin_bytes ==
           "early\x1c"
           "!";
  }));
  EXPECT_TRUE(wait_for_modes([](const termios& now) { return (now.c_lflag & ISIG) == 0; }));
  fake_.end_with(pb::SUCCEEDED, pb::EXITED, 0);
  finish_succeeding();
  EXPECT_EQ(modes().c_lflag, before_.c_lflag);
}

TEST_F(AttachOnTerminal, AWatcherHasTheDetachKeysAndNoOthers) {
  fake_.change([](FakeController::Job& job) {
    job.has_another_writer = true;
    job.log = log_record(1, "runs");
  });
  start(true, true);
  ASSERT_TRUE(out_text_->wait_for("runs"));
  ASSERT_TRUE(wait_for_modes([](const termios& now) { return !is_echoed(now); }));
  type(
      "x\x1c"
      "d");
  const auto result = finish();
  ASSERT_TRUE(result);
  EXPECT_EQ(result->how, Attached::How::kDetached);
  EXPECT_TRUE(fake_.job().stdin_bytes.empty());
  EXPECT_TRUE(fake_.job().sizes.empty());
}

}  // namespace
}  // namespace devrun::cli
