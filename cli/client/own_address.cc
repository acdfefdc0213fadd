#include "cli/client/own_address.h"

#include <arpa/inet.h>
#include <sys/socket.h>

#include <string_view>

#include "common/runtime/fd.h"

namespace devrun::cli {

std::string own_address_towards(const std::string& peer) {
  constexpr std::string_view kFour = "ipv4:";
  if (!peer.starts_with(kFour)) return {};
  const std::string host = peer.substr(kFour.size(), peer.rfind(':') - kFour.size());
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(9);
  if (::inet_pton(AF_INET, host.c_str(), &to.sin_addr) != 1) return {};
  const UniqueFd fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_in own{};
  socklen_t size = sizeof own;
  char text[INET_ADDRSTRLEN];
  // Sends nothing: it asks for the route.
  if (!fd || ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0 ||
      ::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&own), &size) != 0 ||
      ::inet_ntop(AF_INET, &own.sin_addr, text, sizeof text) == nullptr) {
    return {};
  }
  return text;
}

}  // namespace devrun::cli
