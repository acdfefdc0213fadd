// The keeper's socket: what it keeps, and what a bad client cannot do to it.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <csignal>
#include <thread>

#include "agent/keeper/keeper_server.h"
#include "common/runtime/file.h"
#include "common/runtime/namespace.h"
#include "common/runtime/process_id.h"
#include "common/runtime/unix_socket.h"
#include "common/wire/keeper_client.h"
#include "tests/unit/agent/volume/node_namespace.h"

namespace devrun::keeper {
namespace {

class Keeper : public ::testing::Test {
 protected:
  Keeper() {
    std::map<std::string, Kept> kept;
    kept["fuse.plain"] = {UniqueFd(::open("/dev/null", O_RDONLY)), "/somewhere"};
    Result<UniqueFd> listener = listen_unix(socket_);
    EXPECT_TRUE(listener.has_value());
    server_ = std::make_unique<KeeperServer>(std::move(*listener), std::move(kept));
    thread_ = std::jthread([this] { EXPECT_TRUE(server_->run(stop_.get()).has_value()); });
  }
  ~Keeper() override {
    const uint64_t one = 1;
    EXPECT_EQ(::write(stop_.get(), &one, sizeof one), static_cast<ssize_t>(sizeof one));
    thread_.join();
  }

  volume::TemporaryFolder folder_;
  std::string socket_ = folder_.path("keeper.sock");
  UniqueFd stop_{::eventfd(0, EFD_CLOEXEC)};
  std::unique_ptr<KeeperServer> server_;
  std::jthread thread_;
};

TEST_F(Keeper, GivesWhatItWasGivenUnderThatName) {
  const auto mount = get(socket_, "fuse.plain");
  ASSERT_TRUE(mount.has_value()) << mount.error().message;
  EXPECT_EQ(mount->mounted_at, "/somewhere");
  EXPECT_EQ(get(socket_, "other").error().code, Code::kNotFound);
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  const UniqueFd read(ends[0]);
  {
    const UniqueFd write(ends[1]);
    ASSERT_TRUE(put(socket_, "other", write.get()).has_value());
  }
  const auto other = get(socket_, "other");
  ASSERT_TRUE(other.has_value());
  EXPECT_EQ(::write(other->fd.get(), "x", 1), 1);
  char byte = 0;
  EXPECT_EQ(::read(read.get(), &byte, 1), 1);
}

TEST_F(Keeper, OutlivesBadClients) {
  std::vector<UniqueFd> silent;
  for (int i = 0; i < 200; ++i) silent.push_back(std::move(*connect_unix(socket_)));
  const UniqueFd garbage = std::move(*connect_unix(socket_));
  EXPECT_TRUE(send_frame(garbage.get(), "\xff\xff garbage").has_value());
  const UniqueFd half = std::move(*connect_unix(socket_));
  EXPECT_EQ(::write(half.get(), "\x10", 1), 1);
  const UniqueFd large = std::move(*connect_unix(socket_));
  EXPECT_EQ(::write(large.get(), "\xff\xff\xff\xff", 4), 4);
  EXPECT_TRUE(get(socket_, "fuse.plain").has_value());
  EXPECT_TRUE(mount_namespace_of(socket_).has_value());
}

// True as soon as `holds` is; the keeper is asked again and again.
bool comes_to(const std::string& socket,
              const std::function<bool(const wire::KeeperSeen&)>& holds) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (std::chrono::steady_clock::now() < deadline) {
    const auto seen = look(socket);
    if (seen && holds(*seen)) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return false;
}

TEST_F(Keeper, StartsItsProgramAgainAndTheNextWordsCount) {
  EXPECT_EQ(look(socket_)->starts, 0u);
  const std::string pid_file = folder_.path("pid");
  ASSERT_TRUE(run(socket_, {{"sleep", "1000"}, folder_.path("log"), pid_file}).has_value());
  const uint32_t first = look(socket_)->pid;
  ASSERT_NE(first, 0u);
  EXPECT_EQ(read_pid_file(pid_file)->pid, static_cast<pid_t>(first));
  ASSERT_TRUE(run(socket_, {{"sleep", "2000"}, folder_.path("log"), pid_file}).has_value());
  EXPECT_EQ(look(socket_)->pid, first);  // what runs is left alone
  ASSERT_EQ(::kill(static_cast<pid_t>(first), SIGKILL), 0);
  ASSERT_TRUE(
      comes_to(socket_, [&](const auto& seen) { return seen.pid != 0 && seen.starts == 2; }));
  const auto second = look(socket_)->pid;
  EXPECT_NE(second, first);
  EXPECT_EQ(read_pid_file(pid_file)->pid, static_cast<pid_t>(second));
  const auto words = read_file(fmt::format("/proc/{}/cmdline", second));
  EXPECT_EQ(*words, std::string("sleep\0002000\0", 11));
  EXPECT_EQ(look(socket_)->given_up, "");
}

TEST_F(Keeper, GivesUpWhatCannotGoOn) {
  ASSERT_TRUE(run(socket_, {{"sh", "-c", "exit 4"}, folder_.path("log"), {}}).has_value());
  ASSERT_TRUE(comes_to(socket_, [](const auto& seen) { return !seen.given_up.empty(); }));
  EXPECT_EQ(look(socket_)->starts, 1u);
  EXPECT_NE(look(socket_)->given_up.find("status 4"), std::string::npos);
  // Told anew, it tries again, and again while it only crashes; with a limit.
  ASSERT_TRUE(run(socket_, {{"sh", "-c", "kill -9 $$"}, folder_.path("log"), {}}).has_value());
  ASSERT_TRUE(comes_to(socket_, [](const auto& seen) { return seen.starts > 5; }));
  ASSERT_TRUE(run(socket_, {{"/nowhere/program"}, folder_.path("log"), {}}).has_value());
  ASSERT_TRUE(comes_to(socket_, [](const auto& seen) { return !seen.given_up.empty(); }));
  EXPECT_EQ(look(socket_)->pid, 0u);
}

TEST_F(Keeper, StopsWhenTold) {
  EXPECT_TRUE(stop(socket_).has_value());
  thread_.join();
  server_.reset();
  EXPECT_FALSE(get(socket_, "fuse.plain").has_value());
  thread_ = std::jthread([] {});
}

}  // namespace
}  // namespace devrun::keeper
