// A TCP proxy that makes a network out of loopback: what arrives is passed on DELAY_US later, in each direction, with no
// limit on what is on the way, so that a link of any bandwidth and a fixed round trip is played.
//
//   bench_fs_proxy LISTEN_PORT SERVER_PORT DELAY_US      one way; prints "ready", ends with its stdin
//
// One thread. It sleeps until the next bytes are due with the kernel's finest timer (slack of 1 ns), and never
// longer than that, so that the delay is kept to some 20 µs on an idle machine.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <memory>
#include <string>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kReadBytes = 1 << 20;
constexpr size_t kHeldBytesMax = 64 << 20;  // of one direction

struct Piece {
  Clock::time_point due;
  std::string bytes;
};

// From one socket to another.
struct Direction {
  int from = -1;
  int to = -1;
  std::deque<Piece> pieces;
  size_t sent = 0;  // of the first piece
  size_t held_bytes = 0;
};

struct Pair {
  Direction up, down;
  bool over = false;
};

int loopback_socket(int port, bool listening) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int yes = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  // The server asks for privileged ports, as an export for nodes should.
  if (!listening) ::bindresvport(fd, nullptr);
  const int failed = listening ? ::bind(fd, generic, sizeof address) || ::listen(fd, 64)
                               : ::connect(fd, generic, sizeof address);
  if (failed == 0) return fd;
  ::close(fd);
  return -1;
}

// False: the connection is over.
bool take(Direction& way, std::chrono::microseconds delay) {
  thread_local std::string buffer(kReadBytes, '\0');
  const ssize_t n = ::recv(way.from, buffer.data(), buffer.size(), MSG_DONTWAIT);
  if (n < 0) return errno == EAGAIN || errno == EINTR;
  if (n == 0) return false;
  way.pieces.push_back({Clock::now() + delay, buffer.substr(0, static_cast<size_t>(n))});
  way.held_bytes += static_cast<size_t>(n);
  return true;
}

bool give(Direction& way, Clock::time_point now) {
  while (!way.pieces.empty() && way.pieces.front().due <= now) {
    const std::string& bytes = way.pieces.front().bytes;
    const ssize_t n = ::send(way.to, bytes.data() + way.sent, bytes.size() - way.sent,
                             MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n < 0) return errno == EAGAIN || errno == EINTR;
    way.sent += static_cast<size_t>(n);
    way.held_bytes -= static_cast<size_t>(n);
    if (way.sent < bytes.size()) return true;
    way.pieces.pop_front();
    way.sent = 0;
  }
  return true;
}

class Proxy {
 public:
  Proxy(int listener, int server_port, std::chrono::microseconds delay)
      : listener_(listener), server_port_(server_port), delay_(delay) {}

  void run() {
    for (;;) {
      std::vector<pollfd> polled = {{listener_, POLLIN, 0}, {STDIN_FILENO, POLLIN, 0}};
      std::vector<Direction*> ways;
      Clock::time_point next = Clock::time_point::max();
      const Clock::time_point now = Clock::now();
      for (const auto& pair : pairs_) {
        for (Direction* way : {&pair->up, &pair->down}) {
          const bool due = !way->pieces.empty() && way->pieces.front().due <= now;
          if (!way->pieces.empty() && !due) next = std::min(next, way->pieces.front().due);
          const short in = way->held_bytes < kHeldBytesMax ? POLLIN : 0;
          polled.push_back({way->from, in, 0});
          polled.push_back({way->to, static_cast<short>(due ? POLLOUT : 0), 0});
          ways.push_back(way);
        }
      }
      wait(polled, next, now);
      if ((polled[1].revents & (POLLIN | POLLHUP)) != 0) return;
      if ((polled[0].revents & POLLIN) != 0) accept_one();
      move(polled, ways);
      std::erase_if(pairs_, [](const auto& pair) {
        if (!pair->over) return false;
        ::close(pair->up.from);
        ::close(pair->up.to);
        return true;
      });
    }
  }

 private:
  static void wait(std::vector<pollfd>& polled, Clock::time_point next, Clock::time_point now) {
    if (next == Clock::time_point::max()) {
      ::ppoll(polled.data(), polled.size(), nullptr, nullptr);
      return;
    }
    const auto left = std::chrono::duration_cast<std::chrono::nanoseconds>(next - now).count();
    const timespec time{left / 1'000'000'000, left % 1'000'000'000};
    ::ppoll(polled.data(), polled.size(), &time, nullptr);
  }

  void accept_one() {
    const int client = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (client < 0) return;
    const int server = loopback_socket(server_port_, false);
    if (server < 0) {
      ::close(client);
      return;
    }
    const int yes = 1;
    ::setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    auto pair = std::make_unique<Pair>();
    pair->up.from = pair->down.to = client;
    pair->up.to = pair->down.from = server;
    pairs_.push_back(std::move(pair));
  }

  void move(const std::vector<pollfd>& polled, const std::vector<Direction*>& ways) {
    for (size_t i = 0; i < ways.size(); ++i) {
      Pair& pair = *pairs_[i / 2];
      if (pair.over) continue;
      const short events = polled[2 + 2 * i].revents;
      if ((events & (POLLIN | POLLHUP | POLLERR)) != 0 && !take(*ways[i], delay_)) pair.over = true;
      if (!give(*ways[i], Clock::now())) pair.over = true;
    }
  }

  const int listener_;
  const int server_port_;
  const std::chrono::microseconds delay_;
  std::vector<std::unique_ptr<Pair>> pairs_;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fprintf(stderr, "usage: bench_fs_proxy LISTEN_PORT SERVER_PORT DELAY_US\n");
    return 2;
  }
  const int listener = loopback_socket(std::atoi(argv[1]), true);
  if (listener < 0) {
    std::perror("bench_fs_proxy: listen");
    return 1;
  }
  ::prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
  std::puts("ready");
  std::fflush(stdout);
  Proxy(listener, std::atoi(argv[2]), std::chrono::microseconds(std::atoi(argv[3]))).run();
  return 0;
}
