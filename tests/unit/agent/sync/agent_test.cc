// The agent's shell between a real gRPC server and a node in memory.
#include "agent/sync/agent.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

#include "agent/keeper/keeper_server.h"
#include "agent/sync/state_lock.h"
#include "common/runtime/boot_clock.h"
#include "common/runtime/unix_socket.h"
#include "common/wire/keeper_client.h"
#include "tests/unit/agent/sync/memory_node.h"
#include "tests/unit/agent/sync/temporary_folder.h"
#include "tests/unit/agent/sync/test_controller.h"
#include "tests/unit/agent/sync/wait_for.h"

namespace devrun::agent {
namespace {

namespace pb = devrun::v1;

constexpr AttemptKey kKey{.job = 42};
const Ending kExitedThree{EndCause::kExited, 3, "", ""};

AttemptSpec spec_of(const AttemptKey& key) {
  AttemptSpec spec;
  spec.key = key;
  spec.user = "ada";
  spec.root.volume = "v";
  spec.program.argv = {"true"};
  return spec;
}

std::string pattern(size_t bytes) {
  std::string out(bytes, '\0');
  for (size_t i = 0; i < bytes; ++i) out[i] = static_cast<char>(i * 7 + i / 251);
  return out;
}

class AgentTest : public testing::Test {
 protected:
  void start_agent() {
    AgentOptions options;
    options.hello.name = "node1";
    options.hello.boot_id = "boot";
    options.instance = std::to_string(++instances_);
    options.controller = controller_->address();
    options.credentials = grpc::InsecureChannelCredentials();
    options.sockets_folder = folder_.path() + "/sockets";
    options.fs_socket = fs_socket_;
    options.keeper_socket = keeper_socket_;
    options.report_every = milliseconds(20);
    agent_ = std::make_unique<Agent>(std::move(options), node_,
                                     [this](const std::string& folder, shim::Handlers handlers) {
                                       return node_.connect(folder, std::move(handlers));
                                     });
    const Status begun = agent_->begin();
    ASSERT_TRUE(begun.has_value()) << begun.error().message;
  }
  void run() {
    controller_->desire(spec_of(kKey));
    ASSERT_TRUE(
        wait_for([this] { return controller_->reported()[kKey].phase == Phase::kRunning; }));
  }
  void restart_controller() {
    auto old = std::move(controller_);
    const int port = old->port();
    auto memory = std::make_unique<TestController>(0);
    memory->remember(*old);
    old.reset();
    controller_ = std::make_unique<TestController>(port);
    controller_->remember(*memory);
  }

  TemporaryFolder folder_;
  MemoryNode node_{folder_.path() + "/attempts"};
  std::unique_ptr<TestController> controller_ = std::make_unique<TestController>();
  int instances_ = 0;
  std::string fs_socket_;
  std::string keeper_socket_;
  std::unique_ptr<Agent> agent_;
};

TEST_F(AgentTest, RunsShipsReportsReleases) {
  start_agent();
  run();
  const std::string output = pattern(9 << 20);
  node_.write_output(kKey, output);
  node_.exit(kKey, kExitedThree);
  ASSERT_TRUE(controller_->wait_ended(kKey));
  EXPECT_EQ(controller_->log(kKey).bytes, output);
  const ObservedAttempt observed = controller_->reported()[kKey];
  EXPECT_EQ(observed.ending, kExitedThree);
  EXPECT_EQ(observed.output_bytes, static_cast<int64_t>(output.size()));
  EXPECT_EQ(observed.wrote->files, 2u);
  EXPECT_GT(observed.timeline.agent_received.us, 0);
  EXPECT_EQ(observed.timeline.mounted, Time{10});
  EXPECT_EQ(observed.timeline.started, Time{11});
  EXPECT_EQ(observed.timeline.first_byte, Time{12});
  EXPECT_EQ(observed.timeline.ended, Time{13});
  EXPECT_TRUE(std::filesystem::exists(node_.program(kKey).socket));

  controller_->release(kKey);
  ASSERT_TRUE(wait_for([this] { return node_.program(kKey).released; }));
  EXPECT_TRUE(wait_for([this] { return std::filesystem::is_empty(folder_.path() + "/sockets"); }));
}

TEST_F(AgentTest, NewsThatAreRefusedHoldUpNoOthers) {
  constexpr AttemptKey kBad{.job = 7};
  controller_->refuse_reports_about(kBad);
  start_agent();
  controller_->desire(spec_of(kBad));
  run();
  ASSERT_TRUE(wait_for([&] { return node_.program(kBad).started; }));
  node_.exit(kBad, kExitedThree);
  node_.exit(kKey, kExitedThree);
  EXPECT_TRUE(wait_for([this] { return controller_->reported()[kKey].ending == kExitedThree; }));
  EXPECT_FALSE(controller_->reported()[kBad].ending);
}

TEST_F(AgentTest, WhatAttemptsUseIsToldNowAndThen) {
  start_agent();
  run();
  EXPECT_TRUE(wait_for([this] { return controller_->reported()[kKey].usage.has_value(); }));
  EXPECT_EQ(controller_->reported()[kKey].usage->cpu, milliseconds(7));
}

// By every answer of the controller, also from another agent and another controller, and by nothing else.
TEST_F(AgentTest, LeasesAreRenewedWhileTheControllerAnswers) {
  start_agent();
  AttemptSpec spec = spec_of(kKey);
  spec.lease = seconds(60);
  controller_->desire(spec);
  const auto lease = [this] { return node_.program(kKey).lease_until; };
  ASSERT_TRUE(wait_for([&] { return lease().us != 0; }));
  EXPECT_GT(node_.program(kKey).spec.lease_until.us, 0) << "the shim has one from its first moment";
  Time before = lease();
  EXPECT_TRUE(wait_for([&] { return lease() > before; }));
  EXPECT_LE(lease(), boot_clock() + seconds(60));

  agent_.reset();
  before = lease();
  start_agent();
  EXPECT_TRUE(wait_for([&] { return lease() > before; }));

  restart_controller();
  before = lease();
  EXPECT_TRUE(wait_for([&] { return lease() > before; }));
}

TEST_F(AgentTest, AnAttemptWithoutALeaseIsNeverGivenOne) {
  start_agent();
  run();
  EXPECT_TRUE(wait_for([this] { return controller_->reported()[kKey].usage.has_value(); }));
  EXPECT_EQ(node_.program(kKey).lease_until, Time{});
  EXPECT_EQ(node_.program(kKey).spec.lease_until, Time{});
}

// Something that accepts connections, as devrun-fs does, and can be killed.
class ListeningChild {
 public:
  explicit ListeningChild(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    const UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    EXPECT_EQ(::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    pid_ = ::fork();
    if (pid_ == 0) {
      ::listen(socket.get(), 8);  // by the child: it is the peer that connections know
      for (;;) ::pause();
    }
    EXPECT_TRUE(wait_for([&] { return connect_unix(path).has_value(); }));
  }
  ~ListeningChild() { end(); }
  void end() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }

 private:
  pid_t pid_ = -1;
};

// A keeper that can start nothing that is of use.
class GivingUpKeeper {
 public:
  explicit GivingUpKeeper(const std::string& folder)
      : server_(std::move(*listen_unix(folder + "/keeper.sock")), {}) {
    thread_ = std::jthread([this] { EXPECT_TRUE(server_.run(stop_.get())); });
    const wire::KeeperRun program{{"/bin/sh", "-c", "exit 4"}, folder + "/fs.log", {}};
    EXPECT_TRUE(keeper::run(folder + "/keeper.sock", program));
  }
  ~GivingUpKeeper() { ::eventfd_write(stop_.get(), 1); }

 private:
  UniqueFd stop_{::eventfd(0, EFD_CLOEXEC)};
  keeper::KeeperServer server_;
  std::jthread thread_;
};

TEST_F(AgentTest, AFileSystemThatDiesAndComesBackCostsNothing) {
  fs_socket_ = folder_.path() + "/fs.sock";
  auto files = std::make_unique<ListeningChild>(fs_socket_);
  start_agent();
  run();
  files.reset();
  ASSERT_EQ(::unlink(fs_socket_.c_str()), 0);
  ListeningChild again(fs_socket_);
  EXPECT_EQ(controller_->trouble(), "");
  EXPECT_FALSE(node_.program(kKey).killed);
  node_.exit(kKey, {EndCause::kExited, 0, "", ""});
  ASSERT_TRUE(controller_->wait_ended(kKey));
  EXPECT_EQ(controller_->reported()[kKey].ending->cause, EndCause::kExited);
}

TEST_F(AgentTest, TellsThatItsFileSystemIsGivenUpAndEndsWhatRan) {
  fs_socket_ = folder_.path() + "/fs.sock";
  keeper_socket_ = folder_.path() + "/keeper.sock";
  const GivingUpKeeper keeper(folder_.path());
  ListeningChild files(fs_socket_);
  start_agent();
  run();
  EXPECT_EQ(controller_->hellos()[0].condition().trouble(), "");
  files.end();
  EXPECT_TRUE(wait_for([this] { return controller_->trouble().starts_with("its devrun-fs"); }));
  ASSERT_TRUE(wait_for([this] { return node_.program(kKey).killed; }));
  node_.exit(kKey, {EndCause::kExited, 137, "killed by signal 9 (KILL)", ""});
  ASSERT_TRUE(controller_->wait_ended(kKey));
  EXPECT_EQ(controller_->reported()[kKey].ending->cause, EndCause::kLost);
  EXPECT_EQ(controller_->reported()[kKey].ending->status, 125);
  EXPECT_TRUE(controller_->reported()[kKey].ending->reason.starts_with("its devrun-fs has ended"));
}

TEST_F(AgentTest, AFileSystemThatComesLaterIsNoTroubleAnyMore) {
  fs_socket_ = folder_.path() + "/fs.sock";
  start_agent();
  ASSERT_TRUE(wait_for([this] { return !controller_->hellos().empty(); }));
  EXPECT_NE(controller_->hellos()[0].condition().trouble(), "");
  EXPECT_TRUE(wait_for([this] { return controller_->trouble().starts_with("its devrun-fs"); }));
  ListeningChild files(fs_socket_);
  EXPECT_TRUE(wait_for([this] { return controller_->trouble().empty(); }));
}

TEST(StateLock, IsOneAgentsAlone) {
  TemporaryFolder folder;
  Result<UniqueFd> first = lock_state(folder.path());
  ASSERT_TRUE(first);
  const Result<UniqueFd> second = lock_state(folder.path());
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Code::kConflict);
  first->reset();
  EXPECT_TRUE(lock_state(folder.path()));
}

TEST_F(AgentTest, GoesOnAfterItsOwnRestart) {
  start_agent();
  run();
  node_.write_output(kKey, "before ");
  ASSERT_TRUE(wait_for([this] { return controller_->log(kKey).bytes == "before "; }));
  agent_.reset();
  node_.write_output(kKey, "meanwhile ");
  start_agent();
  EXPECT_TRUE(wait_for([this] { return controller_->hellos().size() == 2; }));
  EXPECT_EQ(controller_->hellos()[1].observed_size(), 1);
  node_.write_output(kKey, "after");
  EXPECT_TRUE(
      wait_for([this] { return controller_->log(kKey).bytes == "before meanwhile after"; }));
  node_.exit(kKey, kExitedThree);
  ASSERT_TRUE(controller_->wait_ended(kKey));
  EXPECT_EQ(controller_->log(kKey).bytes, "before meanwhile after");
  EXPECT_EQ(node_.program(kKey).starts, 1);
  EXPECT_TRUE(std::filesystem::exists(node_.program(kKey).socket));
}

TEST_F(AgentTest, TellsAnEndThatCameWhileItWasAway) {
  start_agent();
  run();
  agent_.reset();
  node_.write_output(kKey, "last words");
  node_.exit(kKey, kExitedThree);
  start_agent();
  ASSERT_TRUE(controller_->wait_ended(kKey));
  EXPECT_EQ(controller_->log(kKey).bytes, "last words");
  EXPECT_EQ(controller_->reported()[kKey].ending, kExitedThree);
}

// The mount points that a container made in a live tree are below those of the one that follows it.
TEST_F(AgentTest, MountPointsGoBeforeTheEndIsToldAndNeverOfOneThatMayBeFollowed) {
  constexpr AttemptKey kEnded{.job = 1}, kStray{.job = 2}, kDead{.job = 3}, kUnwanted{.job = 4},
      kAway{.job = 5};
  start_agent();
  for (const AttemptKey& key : {kEnded, kStray, kDead, kUnwanted, kAway}) {
    controller_->desire(spec_of(key));
    ASSERT_TRUE(wait_for([&] { return controller_->reported()[key].phase == Phase::kRunning; }));
  }
  node_.exit(kEnded, kExitedThree);
  ASSERT_TRUE(controller_->wait_ended(kEnded));
  EXPECT_TRUE(node_.program(kEnded).cleared);

  controller_->stop(kStray, EndCause::kLost);
  ASSERT_TRUE(wait_for(
      [&] { return !node_.program(kStray).signals.empty() || node_.program(kStray).killed; }));
  node_.exit(kStray, {EndCause::kExited, 137, "", ""});
  ASSERT_TRUE(controller_->wait_ended(kStray));
  EXPECT_FALSE(node_.program(kStray).cleared) << "somebody else has the tree";

  node_.shim_dies(kDead);
  ASSERT_TRUE(controller_->wait_ended(kDead));
  EXPECT_FALSE(node_.program(kDead).cleared);

  controller_->release(kUnwanted);
  ASSERT_TRUE(wait_for([&] { return node_.program(kUnwanted).released; }));
  EXPECT_FALSE(node_.program(kUnwanted).cleared);

  agent_.reset();
  node_.exit(kAway, kExitedThree);  // who knows what the controller has said meanwhile
  start_agent();
  ASSERT_TRUE(controller_->wait_ended(kAway));
  EXPECT_FALSE(node_.program(kAway).cleared);
}

TEST_F(AgentTest, GoesOnAfterTheControllersRestart) {
  start_agent();
  run();
  const std::string first = pattern(3 << 20);
  node_.write_output(kKey, first);
  restart_controller();
  node_.write_output(kKey, "and on");
  EXPECT_TRUE(wait_for([&] { return controller_->log(kKey).bytes == first + "and on"; }));
  restart_controller();
  node_.exit(kKey, kExitedThree);
  ASSERT_TRUE(controller_->wait_ended(kKey));
  EXPECT_EQ(controller_->log(kKey).bytes, first + "and on");
  EXPECT_EQ(node_.program(kKey).starts, 1);
}

TEST_F(AgentTest, RepeatsItsNewsUntilTheyAreAnswered) {
  controller_->refuse_reports(3);
  start_agent();
  run();
  controller_->refuse_reports(3);
  node_.exit(kKey, kExitedThree);
  ASSERT_TRUE(controller_->wait_ended(kKey));
}

TEST_F(AgentTest, StdinResizesAndSignalsGoDown) {
  start_agent();
  node_.hold_starts(true);
  controller_->desire(spec_of(kKey));
  pb::StreamsDown down;
  const std::string early = pattern(200 << 10);
  down.mutable_stdin()->set_data(early);
  controller_->send(kKey, down);  // nobody is there yet to take it
  down.mutable_resize()->set_columns(80);
  controller_->send(kKey, down);
  node_.hold_starts(false);
  ASSERT_TRUE(wait_for([&] { return controller_->log(kKey).stdin_taken == early.size(); }));
  down.mutable_stdin()->set_offset(early.size());
  down.mutable_stdin()->set_data("late");
  down.mutable_stdin()->set_eof(true);
  controller_->send(kKey, down);
  down.set_signal(10);
  controller_->send(kKey, down);
  ASSERT_TRUE(wait_for([&] { return node_.program(kKey).signals.size() == 1; }));
  const MemoryNode::Program program = node_.program(kKey);
  EXPECT_EQ(program.in, early + "late");
  EXPECT_TRUE(program.in_ended);
  ASSERT_EQ(program.sizes.size(), 1u);
  EXPECT_EQ(program.sizes[0].columns, 80u);
  EXPECT_EQ(program.signals, std::vector<int>{10});
  EXPECT_TRUE(wait_for([&] { return controller_->log(kKey).stdin_taken == early.size() + 4; }));
}

TEST_F(AgentTest, AStopIsASignalAndItsCauseTheEnding) {
  start_agent();
  run();
  controller_->stop(kKey, EndCause::kTimedOut);
  ASSERT_TRUE(wait_for([this] { return !node_.program(kKey).signals.empty(); }));
  EXPECT_EQ(node_.program(kKey).signals, std::vector<int>{15});
  agent_.reset();  // it is not forgotten by a restart
  node_.exit(kKey, {EndCause::kExited, 143, "", ""});
  start_agent();
  ASSERT_TRUE(controller_->wait_ended(kKey));
  EXPECT_EQ(controller_->reported()[kKey].ending->status, 124);
}

TEST_F(AgentTest, AFailedStartSaysWhy) {
  node_.fail_starts = Error{Code::kNotFound, "no folder /x in the volume", "devrun -C /"};
  start_agent();
  controller_->desire(spec_of(kKey));
  ASSERT_TRUE(controller_->wait_ended(kKey));
  const Ending expected{EndCause::kNotStarted, 125, "no folder /x in the volume", "devrun -C /"};
  EXPECT_EQ(controller_->reported()[kKey].ending, expected);
}

TEST_F(AgentTest, ADeadShimIsKilledOffAndLost) {
  start_agent();
  run();
  node_.write_output(kKey, "something");
  node_.shim_dies(kKey);
  ASSERT_TRUE(controller_->wait_ended(kKey));
  EXPECT_EQ(controller_->reported()[kKey].ending->cause, EndCause::kLost);
  EXPECT_EQ(controller_->reported()[kKey].ending->status, 125);
  EXPECT_TRUE(node_.program(kKey).killed_without_shim);
  EXPECT_EQ(controller_->log(kKey).bytes, "something");
}

TEST_F(AgentTest, ManyAttemptsAtOnce) {
  start_agent();
  constexpr uint64_t kMany = 40;
  for (uint64_t job = 1; job <= kMany; ++job) controller_->desire(spec_of({.job = job}));
  for (uint64_t job = 1; job <= kMany; ++job) {
    const AttemptKey key{.job = job};
    ASSERT_TRUE(wait_for([&] { return controller_->reported()[key].phase == Phase::kRunning; }));
    node_.write_output(key, std::to_string(job));
    node_.exit(key, {EndCause::kExited, static_cast<int32_t>(job), "", ""});
  }
  for (uint64_t job = 1; job <= kMany; ++job) {
    ASSERT_TRUE(controller_->wait_ended({.job = job}));
    EXPECT_EQ(controller_->reported()[{.job = job}].ending->status, static_cast<int32_t>(job));
    EXPECT_EQ(controller_->log({.job = job}).bytes, std::to_string(job));
    controller_->release({.job = job});
  }
  EXPECT_TRUE(wait_for([&] { return node_.program({.job = kMany}).released; }));
}

}  // namespace
}  // namespace devrun::agent
