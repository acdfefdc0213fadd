#include "cli/transfer/port_mux.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace devrun::cli {

namespace {

constexpr uint8_t kOpen = 1, kData = 2, kCredit = 3, kEnd = 4, kReset = 5;
constexpr size_t kHeadBytes = 9;
constexpr uint32_t kCreditEvery = kWindowBytes / 4;

sockaddr_in loopback(uint16_t port) {
  sockaddr_in out{};
  out.sin_family = AF_INET;
  out.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  out.sin_port = htons(port);
  return out;
}

void set_nonblocking(int fd) {
  ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK);
}

void send_at_once(int socket) {
  const int on = 1;
  ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

}  // namespace

Result<UniqueFd> listen_on_loopback(uint16_t port) {
  UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return errno_error("socket", errno);
  const int on = 1;
  ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  const sockaddr_in address = loopback(port);
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    if (errno == EADDRINUSE) {
      return Error{Code::kExists, fmt::format("port {} is taken here", port), {}};
    }
    return errno_error(fmt::format("listen on port {}", port), errno);
  }
  if (::listen(fd.get(), SOMAXCONN) != 0) return errno_error("listen", errno);
  return fd;
}

uint16_t port_of(int listener) {
  sockaddr_in address{};
  socklen_t size = sizeof address;
  if (::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size) != 0) return 0;
  return ntohs(address.sin_port);
}

PortMux::PortMux(int in, int out, std::vector<ForwardedPort> ports, Refused refused)
    : in_(in), out_(out), ports_(std::move(ports)), refused_(std::move(refused)) {
  set_nonblocking(in_);
  set_nonblocking(out_);
}

Status PortMux::run() {
  while (!link_over_) TRY(poll_once());
  return ok();
}

bool PortMux::wants_to_read(const Connection& connection) const {
  return !connection.connecting && !connection.ended && connection.may_send > 0 &&
         to_link_.size() - to_link_used_ < kLinkBytesMax;
}

Status PortMux::poll_once() {
  std::vector<pollfd> polled;
  std::vector<uint32_t> ids;
  polled.push_back({in_, POLLIN, 0});
  const bool has_more = to_link_used_ < to_link_.size();
  polled.push_back({has_more ? out_ : -1, POLLOUT, 0});
  for (const ForwardedPort& port : ports_) {
    const bool room = connections_.size() < kConnectionsMax;
    polled.push_back({room ? port.listener.get() : -1, POLLIN, 0});
  }
  const size_t first = polled.size();
  for (const auto& [id, connection] : connections_) {
    const bool writes = connection.connecting || !connection.to_socket.empty();
    const int events = (wants_to_read(connection) ? POLLIN : 0) | (writes ? POLLOUT : 0);
    // A socket that is not to be read would tell of its end again and again.
    polled.push_back({events == 0 ? -1 : connection.socket.get(), static_cast<short>(events), 0});
    ids.push_back(id);
  }
  if (::poll(polled.data(), polled.size(), -1) < 0 && errno != EINTR) {
    return errno_error("poll", errno);
  }
  for (size_t i = 0; i < ports_.size(); ++i) {
    if (polled[2 + i].revents != 0) accept_on(ports_[i]);
  }
  for (size_t i = 0; i < ids.size(); ++i) {
    const short happened = polled[first + i].revents;
    const auto it = connections_.find(ids[i]);
    if (happened == 0 || it == connections_.end()) continue;
    if (it->second.connecting) {
      connected(ids[i], it->second);
      continue;
    }
    if ((happened & POLLOUT) != 0) write_socket(ids[i], it->second);
    if (connections_.count(ids[i]) == 0) continue;
    if ((happened & (POLLIN | POLLHUP | POLLERR)) != 0 && wants_to_read(it->second)) {
      read_socket(ids[i], it->second);
    }
    forget_if_over(ids[i]);
  }
  if (polled[0].revents != 0) TRY(read_link());
  return write_link();
}

// ── the link ──

void PortMux::frame(uint8_t kind, uint32_t id, std::string_view bytes) {
  const auto length = static_cast<uint32_t>(bytes.size());
  to_link_.push_back(static_cast<char>(kind));
  to_link_.append(reinterpret_cast<const char*>(&id), sizeof id);
  to_link_.append(reinterpret_cast<const char*>(&length), sizeof length);
  to_link_.append(bytes);
}

Status PortMux::write_link() {
  while (to_link_used_ < to_link_.size()) {
    const ssize_t n =
        ::write(out_, to_link_.data() + to_link_used_, to_link_.size() - to_link_used_);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) break;
    if (n < 0 && errno == EPIPE) {
      link_over_ = true;
      return ok();
    }
    if (n < 0) return errno_error("write to the job", errno);
    to_link_used_ += static_cast<size_t>(n);
  }
  if (to_link_used_ == to_link_.size() || to_link_used_ > kLinkBytesMax) {
    to_link_.erase(0, to_link_used_);
    to_link_used_ = 0;
  }
  return ok();
}

Status PortMux::read_link() {
  char buffer[64 << 10];
  const ssize_t n = ::read(in_, buffer, sizeof buffer);
  if (n < 0 && (errno == EINTR || errno == EAGAIN)) return ok();
  if (n < 0) return errno_error("read from the job", errno);
  if (n == 0) {
    link_over_ = true;
    return ok();
  }
  from_link_.append(buffer, static_cast<size_t>(n));
  return take_frames();
}

Status PortMux::take_frames() {
  size_t at = 0;
  while (from_link_.size() - at >= kHeadBytes) {
    uint32_t id = 0;
    uint32_t length = 0;
    std::memcpy(&id, from_link_.data() + at + 1, sizeof id);
    std::memcpy(&length, from_link_.data() + at + 5, sizeof length);
    if (length > kFrameBytesMax) return Error{Code::kCorrupt, "a frame is too long", {}};
    if (from_link_.size() - at < kHeadBytes + length) break;
    TRY(take(static_cast<uint8_t>(from_link_[at]), id,
             std::string_view(from_link_).substr(at + kHeadBytes, length)));
    at += kHeadBytes + length;
  }
  from_link_.erase(0, at);
  return ok();
}

Status PortMux::take(uint8_t kind, uint32_t id, std::string_view bytes) {
  if (kind == kOpen) {
    uint16_t port = 0;
    if (bytes.size() != sizeof port || connections_.count(id) != 0 || !ports_.empty()) {
      return Error{Code::kCorrupt, "a connection cannot be opened so", {}};
    }
    std::memcpy(&port, bytes.data(), sizeof port);
    connect_to(id, port);
    return ok();
  }
  const auto it = connections_.find(id);
  if (it == connections_.end()) return ok();  // it was reset here meanwhile
  Connection& connection = it->second;
  switch (kind) {
    case kData:
      if (connection.to_socket.size() + bytes.size() > kWindowBytes || connection.peer_ended) {
        return Error{Code::kCorrupt, "more comes than was asked for", {}};
      }
      connection.to_socket.append(bytes);
      if (!connection.connecting) write_socket(id, connection);
      break;
    case kCredit: {
      uint32_t more = 0;
      if (bytes.size() != sizeof more) return Error{Code::kCorrupt, "a credit without number", {}};
      std::memcpy(&more, bytes.data(), sizeof more);
      connection.may_send += std::min(more, kWindowBytes);
      break;
    }
    case kEnd:
      connection.peer_ended = true;
      if (!connection.connecting) write_socket(id, connection);
      break;
    case kReset:
      take_refusal(connection, bytes);
      connections_.erase(id);
      return ok();
    default:
      return Error{Code::kCorrupt, "a frame of a kind that is not known", {}};
  }
  forget_if_over(id);
  return ok();
}

// ── the sockets ──

void PortMux::accept_on(ForwardedPort& port) {
  UniqueFd socket(::accept4(port.listener.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!socket) return;
  send_at_once(socket.get());
  const uint32_t id = next_id_++;
  connections_[id].socket = std::move(socket);
  connections_[id].remote = port.remote;
  frame(kOpen, id, {reinterpret_cast<const char*>(&port.remote), sizeof port.remote});
}

void PortMux::connect_to(uint32_t id, uint16_t port) {
  Connection connection;
  connection.socket.reset(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const sockaddr_in address = loopback(port);
  errno = EMFILE;  // if there are too many
  const bool began = connections_.size() < kConnectionsMax && connection.socket &&
                     (::connect(connection.socket.get(),
                                reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 ||
                      errno == EINPROGRESS);
  if (!began) return refuse(id, errno);
  send_at_once(connection.socket.get());
  connection.connecting = true;
  connections_[id] = std::move(connection);
}

void PortMux::connected(uint32_t id, Connection& connection) {
  int failed = 0;
  socklen_t size = sizeof failed;
  ::getsockopt(connection.socket.get(), SOL_SOCKET, SO_ERROR, &failed, &size);
  if (failed != 0) return refuse(id, failed);
  connection.connecting = false;
  write_socket(id, connection);
  forget_if_over(id);
}

void PortMux::read_socket(uint32_t id, Connection& connection) {
  char buffer[kFrameBytesMax];
  const size_t most = std::min<size_t>(sizeof buffer, connection.may_send);
  const ssize_t n = ::read(connection.socket.get(), buffer, most);
  if (n < 0 && (errno == EINTR || errno == EAGAIN)) return;
  if (n < 0) return reset(id);
  if (n == 0) {
    connection.ended = true;
    frame(kEnd, id, {});
    return;
  }
  connection.may_send -= static_cast<uint32_t>(n);
  frame(kData, id, {buffer, static_cast<size_t>(n)});
}

void PortMux::write_socket(uint32_t id, Connection& connection) {
  while (!connection.to_socket.empty()) {
    const ssize_t n = ::send(connection.socket.get(), connection.to_socket.data(),
                             connection.to_socket.size(), MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) break;
    if (n < 0) return reset(id);
    connection.to_socket.erase(0, static_cast<size_t>(n));
    connection.passed_on += static_cast<uint32_t>(n);
  }
  if (connection.passed_on >= kCreditEvery) {
    frame(kCredit, id,
          {reinterpret_cast<const char*>(&connection.passed_on), sizeof connection.passed_on});
    connection.passed_on = 0;
  }
  if (connection.peer_ended && connection.to_socket.empty() && !connection.shut) {
    connection.shut = true;
    ::shutdown(connection.socket.get(), SHUT_WR);
  }
}

void PortMux::refuse(uint32_t id, int32_t error) {
  reset(id, {reinterpret_cast<const char*>(&error), sizeof error});
}

void PortMux::take_refusal(const Connection& connection, std::string_view why) {
  int32_t error = 0;
  if (why.size() != sizeof error || !refused_) return;
  std::memcpy(&error, why.data(), sizeof error);
  if (told_refused_.insert(connection.remote).second) refused_(connection.remote, error);
}

void PortMux::reset(uint32_t id, std::string_view why) {
  frame(kReset, id, why);
  const auto it = connections_.find(id);
  if (it == connections_.end()) return;
  // So that the program at the other end of the socket sees an abort, and no orderly end.
  const linger now{1, 0};
  ::setsockopt(it->second.socket.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
  connections_.erase(it);
}

void PortMux::forget_if_over(uint32_t id) {
  const auto it = connections_.find(id);
  if (it != connections_.end() && it->second.ended && it->second.shut) connections_.erase(it);
}

}  // namespace devrun::cli
