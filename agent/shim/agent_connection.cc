#include "agent/shim/agent_connection.h"

#include <fcntl.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

namespace devrun::shim {

namespace {
constexpr size_t kReceiveBytes = 256 << 10;
constexpr size_t kRequestBytesMax =
    (1 << 20) + (64 << 10);  // a whole stdin window and its envelope
}  // namespace

AgentConnection::AgentConnection(UniqueFd socket) : socket_(std::move(socket)) {
  ::fcntl(fd(), F_SETFL, ::fcntl(fd(), F_GETFL) | O_NONBLOCK);
}

Status AgentConnection::receive(const std::function<Status(Request&&)>& handle) {
  if (in_.size() < in_bytes_ + kReceiveBytes) in_.resize(in_bytes_ + kReceiveBytes);
  const ssize_t n = ::recv(fd(), in_.data() + in_bytes_, kReceiveBytes, 0);
  const int saved = errno;
  if (n < 0 && (saved == EAGAIN || saved == EINTR)) return ok();
  if (n < 0) return errno_error("receive from the agent", saved);
  if (n == 0) return Error{Code::kUnavailable, "the agent has closed", {}};
  in_bytes_ += static_cast<size_t>(n);
  size_t used = 0;
  for (;;) {
    uint32_t size = 0;
    if (in_bytes_ - used < sizeof size) break;
    std::memcpy(&size, in_.data() + used, sizeof size);
    if (size > kRequestBytesMax) return Error{Code::kInvalid, "a request is too large", {}};
    if (in_bytes_ - used < sizeof size + size) break;
    Request request = TRY(parse_request(std::string_view(in_).substr(used + sizeof size, size)));
    used += sizeof size + size;
    TRY(handle(std::move(request)));
  }
  in_bytes_ -= used;
  std::memmove(in_.data(), in_.data() + used, in_bytes_);
  return ok();
}

Status AgentConnection::send(const News& news) {
  const std::string payload = encode(news);
  const auto size = static_cast<uint32_t>(payload.size());
  out_.append(reinterpret_cast<const char*>(&size), sizeof size);
  out_.append(payload);
  return flush();
}

Status AgentConnection::flush() {
  while (!out_.empty()) {
    const ssize_t n = ::send(fd(), out_.data(), out_.size(), MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) return ok();
    if (n < 0) return errno_error("send to the agent", errno);
    out_.erase(0, static_cast<size_t>(n));
  }
  return ok();
}

}  // namespace devrun::shim
