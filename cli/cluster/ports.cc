#include "cli/cluster/ports.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>

#include "common/runtime/fd.h"

namespace devrun::cluster {

namespace {

sockaddr_in loopback(uint16_t port) {
  sockaddr_in out{};
  out.sin_family = AF_INET;
  out.sin_port = htons(port);
  out.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return out;
}

UniqueFd tcp_socket() {
  return UniqueFd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
}

bool bind_to(const UniqueFd& fd, uint16_t port) {
  // As servers do: connections that have ended do not hold the port.
  const int on = 1;
  ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  const sockaddr_in address = loopback(port);
  return ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}

}  // namespace

bool port_is_free(uint16_t port) {
  const UniqueFd fd = tcp_socket();
  return fd && bind_to(fd, port);
}

bool port_accepts(uint16_t port) {
  const UniqueFd fd = tcp_socket();
  const sockaddr_in address = loopback(port);
  return fd &&
         ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}

Result<uint16_t> free_port(uint16_t wanted) {
  if (wanted != 0 && port_is_free(wanted)) return wanted;
  const UniqueFd fd = tcp_socket();
  sockaddr_in address{};
  socklen_t size = sizeof address;
  if (!fd || !bind_to(fd, 0) ||
      ::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    return errno_error("find a free port", errno);
  }
  return ntohs(address.sin_port);
}

}  // namespace devrun::cluster
