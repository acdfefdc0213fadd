#include "common/runtime/namespace.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <unistd.h>

#include <cerrno>

#include "common/runtime/file.h"
#include "common/runtime/unix_socket.h"

namespace devrun {

Result<UniqueFd> mount_namespace_of(const std::string& socket) {
  const UniqueFd peer = TRY(connect_unix(socket));
  const PeerCredentials credentials = TRY(peer_credentials(peer.get()));
  return open_file(fmt::format("/proc/{}/ns/mnt", credentials.pid), O_RDONLY);
}

Status enter_mount_namespace_of(const std::string& socket) {
  const UniqueFd target = TRY(mount_namespace_of(socket));
  if (::setns(target.get(), CLONE_NEWNS) != 0) {
    return errno_error(fmt::format("enter the mount namespace of {}", socket), errno);
  }
  if (::chdir("/") != 0) return errno_error("chdir /", errno);
  return ok();
}

}  // namespace devrun
