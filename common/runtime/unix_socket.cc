#include "common/runtime/unix_socket.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "common/runtime/file.h"

namespace devrun {

namespace {

// A socket address for `path`; a long path is reached through an open descriptor of its folder,
// which `folder` keeps alive until the call is done.
Result<sockaddr_un> address_of(const std::string& path, UniqueFd& folder) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::string shown = path;
  if (path.size() >= sizeof address.sun_path) {
    const std::filesystem::path p(path);
    folder = TRY(open_file(p.parent_path().string(), O_PATH | O_DIRECTORY));
    shown = fmt::format("/proc/self/fd/{}/{}", folder.get(), p.filename().string());
  }
  if (shown.size() >= sizeof address.sun_path) {
    return Error{Code::kUnsupported, fmt::format("socket name {} is too long", path), {}};
  }
  std::memcpy(address.sun_path, shown.c_str(), shown.size() + 1);
  return address;
}

Result<UniqueFd> stream_socket() {
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) return errno_error("socket", errno);
  return fd;
}

Status receive_exactly(int socket, char* out, size_t size, UniqueFd* passed) {
  while (size > 0) {
    iovec part{out, size};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    const ssize_t n = ::recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno_error("receive", errno);
    if (n == 0) return Error{Code::kUnavailable, "closed by the other side", {}};
    for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
      if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
      int received = -1;
      std::memcpy(&received, CMSG_DATA(c), sizeof received);
      UniqueFd owner(received);
      if (passed != nullptr) *passed = std::move(owner);
    }
    out += n;
    size -= static_cast<size_t>(n);
  }
  return ok();
}

}  // namespace

Result<UniqueFd> listen_unix(const std::string& path, mode_t mode) {
  UniqueFd folder;
  const sockaddr_un address = TRY(address_of(path, folder));
  UniqueFd fd = TRY(stream_socket());
  ::unlink(path.c_str());
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return errno_error(fmt::format("bind {}", path), errno);
  }
  if (::chmod(path.c_str(), mode) != 0) return errno_error(fmt::format("chmod {}", path), errno);
  if (::listen(fd.get(), SOMAXCONN) != 0)
    return errno_error(fmt::format("listen on {}", path), errno);
  return fd;
}

Result<UniqueFd> accept_unix(int listener) {
  for (;;) {
    const int fd = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd >= 0) return UniqueFd(fd);
    if (errno != EINTR && errno != ECONNABORTED) return errno_error("accept", errno);
  }
}

Result<UniqueFd> connect_unix(const std::string& path) {
  UniqueFd folder;
  const sockaddr_un address = TRY(address_of(path, folder));
  UniqueFd fd = TRY(stream_socket());
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    Error error = errno_error(fmt::format("connect to {}", path), errno);
    if (error.code != Code::kDenied) error.code = Code::kUnavailable;
    return error;
  }
  return fd;
}

namespace {

// In two steps: the kernel tells by ERANGE how many there are.
Result<std::vector<gid_t>> peer_groups(int socket) {
  std::vector<gid_t> groups;
  socklen_t size = 0;
  while (::getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, groups.data(), &size) != 0) {
    if (errno != ERANGE || size <= groups.size() * sizeof(gid_t)) {
      return errno_error("SO_PEERGROUPS", errno);
    }
    groups.resize(size / sizeof(gid_t));
  }
  groups.resize(size / sizeof(gid_t));
  return groups;
}

}  // namespace

Result<PeerCredentials> peer_credentials(int socket) {
  ucred credentials{};
  socklen_t size = sizeof credentials;
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) {
    return errno_error("SO_PEERCRED", errno);
  }
  return PeerCredentials{credentials.pid, credentials.uid, credentials.gid,
                         TRY(peer_groups(socket))};
}

Status send_frame(int socket, std::string_view payload, int fd_to_pass) {
  if (payload.size() > kFrameBytesMax) {
    return Error{
        Code::kExhausted, fmt::format("a frame of {} bytes is too large", payload.size()), {}};
  }
  const auto size = static_cast<uint32_t>(payload.size());
  iovec parts[2] = {{const_cast<uint32_t*>(&size), sizeof size},
                    {const_cast<char*>(payload.data()), payload.size()}};
  while (parts[0].iov_len + parts[1].iov_len > 0) {
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))]{};
    msghdr message{};
    message.msg_iov = parts;
    message.msg_iovlen = 2;
    if (fd_to_pass >= 0) {
      message.msg_control = control;
      message.msg_controllen = sizeof control;
      cmsghdr* c = CMSG_FIRSTHDR(&message);
      c->cmsg_level = SOL_SOCKET;
      c->cmsg_type = SCM_RIGHTS;
      c->cmsg_len = CMSG_LEN(sizeof(int));
      std::memcpy(CMSG_DATA(c), &fd_to_pass, sizeof fd_to_pass);
    }
    const ssize_t n = ::sendmsg(socket, &message, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && (errno == EPIPE || errno == ECONNRESET)) {
      return Error{Code::kUnavailable, "closed by the other side", {}};
    }
    if (n < 0) return errno_error("send", errno);
    fd_to_pass = -1;
    auto sent = static_cast<size_t>(n);
    for (iovec& part : parts) {
      const size_t of_it = std::min(sent, part.iov_len);
      part.iov_base = static_cast<char*>(part.iov_base) + of_it;
      part.iov_len -= of_it;
      sent -= of_it;
    }
  }
  return ok();
}

Result<Frame> receive_frame(int socket) {
  uint32_t size = 0;
  Frame frame;
  TRY(receive_exactly(socket, reinterpret_cast<char*>(&size), sizeof size, &frame.fd));
  if (size > kFrameBytesMax) {
    return Error{Code::kInvalid, fmt::format("a frame of {} bytes is too large", size), {}};
  }
  frame.payload.resize(size);
  TRY(receive_exactly(socket, frame.payload.data(), size, &frame.fd));
  return frame;
}

}  // namespace devrun
