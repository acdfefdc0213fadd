// Connections through a pair of pipes, both sides in this process.
#include "cli/transfer/port_mux.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <thread>

#include "common/runtime/file.h"

namespace devrun::cli {
namespace {

struct Link {
  UniqueFd read, write;
};
Link make_link() {
  int fds[2];
  EXPECT_EQ(::pipe2(fds, O_CLOEXEC), 0);
  return {UniqueFd(fds[0]), UniqueFd(fds[1])};
}

class Mux : public ::testing::Test {
 protected:
  Mux() {
    std::signal(SIGPIPE, SIG_IGN);
    server_ = std::move(*listen_on_loopback(0));
    ::fcntl(server_.get(), F_SETFL, 0);
    std::vector<ForwardedPort> ports;
    ports.push_back({std::move(*listen_on_loopback(0)), port_of(server_.get())});
    ports.push_back({std::move(*listen_on_loopback(0)), 1});  // nobody listens there
    here_ = port_of(ports[0].listener.get());
    dead_ = port_of(ports[1].listener.get());
    near_ = std::thread([this, moved = std::move(ports)]() mutable {
      near_status_ =
          PortMux(down_.read.get(), up_.write.get(), std::move(moved),
                  [this](uint16_t port, int error) { refused_.emplace_back(port, error); })
              .run();
      up_.write.reset();
    });
    far_ = std::thread([this] {
      far_status_ = PortMux(up_.read.get(), down_.write.get(), {}).run();
      down_.write.reset();
    });
  }
  // A frame that cannot be ends the one side, and with its link the other.
  ~Mux() override {
    const std::string garbage(9, '\xff');
    EXPECT_TRUE(write_all(poke_.get(), garbage));
    near_.join();
    far_.join();
    EXPECT_EQ(near_status_.error().code, Code::kCorrupt);
    EXPECT_TRUE(far_status_);
  }

  static UniqueFd connect(uint16_t port) {
    UniqueFd out(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    EXPECT_EQ(::connect(out.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    return out;
  }
  UniqueFd accept() { return UniqueFd(::accept4(server_.get(), nullptr, nullptr, SOCK_CLOEXEC)); }
  static std::string read_to_end(int fd) {
    std::string out;
    char buffer[4096];
    for (ssize_t n = 0; (n = ::read(fd, buffer, sizeof buffer)) > 0;) {
      out.append(buffer, static_cast<size_t>(n));
    }
    return out;
  }

  UniqueFd server_;
  uint16_t here_ = 0, dead_ = 0;
  Link up_ = make_link(), down_ = make_link();
  UniqueFd poke_{::dup(down_.write.get())};
  std::thread near_, far_;
  Status near_status_ = ok(), far_status_ = ok();
  std::vector<std::pair<uint16_t, int>> refused_;  // the near thread's, before the connection ends
};

TEST_F(Mux, EachDirectionEndsForItself) {
  const UniqueFd client = connect(here_);
  ASSERT_TRUE(write_all(client.get(), "question"));
  ::shutdown(client.get(), SHUT_WR);
  UniqueFd served = accept();
  EXPECT_EQ(read_to_end(served.get()), "question");
  ASSERT_TRUE(write_all(served.get(), "answer after the end"));
  served.reset();
  EXPECT_EQ(read_to_end(client.get()), "answer after the end");
}

TEST_F(Mux, AConnectionThatNobodyReadsHoldsUpItselfAlone) {
  const UniqueFd lazy = connect(here_);
  const UniqueFd unread = accept();
  ::fcntl(lazy.get(), F_SETFL, O_NONBLOCK);
  const std::string block(64 << 10, 'x');
  size_t sent = 0;
  // Until it is full: the kernel's buffers and the window are all there is.
  for (int idle = 0; idle < 20;) {
    const ssize_t n = ::write(lazy.get(), block.data(), block.size());
    if (n > 0) {
      sent += static_cast<size_t>(n);
      idle = 0;
    } else {
      ++idle;
      ::usleep(10'000);
    }
    ASSERT_LT(sent, size_t{64} << 20);
  }
  for (int i = 0; i < 20; ++i) {
    const UniqueFd client = connect(here_);
    ASSERT_TRUE(write_all(client.get(), "ping"));
    ::shutdown(client.get(), SHUT_WR);
    UniqueFd served = accept();
    const std::string got = read_to_end(served.get());
    ASSERT_TRUE(write_all(served.get(), got));
    served.reset();
    EXPECT_EQ(read_to_end(client.get()), "ping");
  }
}

TEST_F(Mux, WhereNobodyListensTheConnectionIsReset) {
  for (int i = 0; i < 3; ++i) {
    const UniqueFd client = connect(dead_);
    char byte = 0;
    EXPECT_LE(::read(client.get(), &byte, 1), 0);
  }
  const std::vector<std::pair<uint16_t, int>> once{{1, ECONNREFUSED}};
  EXPECT_EQ(refused_, once);
}

}  // namespace
}  // namespace devrun::cli
