// Unix stream sockets between the programs of one node (agent, shim, devrun-fs, keeper) and into
// containers. Messages there are frames: a 4-byte little-endian length, then that many bytes, at
// most kFrameBytesMax. A frame may carry one descriptor. Blocking calls unless the descriptor is
// non-blocking; any thread, one at a time.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "common/runtime/fd.h"

namespace devrun {

inline constexpr size_t kFrameBytesMax = 8 << 20;

struct PeerCredentials {
  pid_t pid = 0;
  uid_t uid = 0;
  gid_t gid = 0;
  std::vector<gid_t> groups;  // supplementary, when the connection was made
};

// Replaces a stale socket file. Paths longer than sun_path go through /proc/self/fd of their
// folder.
Result<UniqueFd> listen_unix(const std::string& path, mode_t mode = 0600);
Result<UniqueFd> accept_unix(int listener);
Result<UniqueFd> connect_unix(const std::string& path);
Result<PeerCredentials> peer_credentials(int socket);

// kUnavailable with "closed" when the peer has gone.
Status send_frame(int socket, std::string_view payload, int fd_to_pass = -1);

struct Frame {
  std::string payload;
  UniqueFd fd;  // set if one was passed
};
Result<Frame> receive_frame(int socket);

}  // namespace devrun
