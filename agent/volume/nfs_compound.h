// The one compound that we send over NFSv4.0: from a handle or the root, look names up, perhaps ask
// for a handle on the way, read a range of the file with the anonymous stateid. One round trip, no
// state at the server.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/base/result.h"

struct rpc_context;
struct COMPOUND4res;

namespace devrun::volume {

inline constexpr uint32_t kNfsReadBytesMax =
    1 << 20;  // libnfs drops the connection at larger replies

struct NfsRequest {
  static constexpr size_t kNamesMax = 16;

  std::string start;                   // a handle; empty: the server's root
  std::vector<std::string> names;      // at most kNamesMax
  std::optional<size_t> handle_after;  // asks for the handle reached by so many names
  uint64_t offset = 0;
  uint32_t count = 0;
};

struct NfsAnswer {
  int status = 0;  // of the first operation that failed; an nfsstat4
  std::string handle;
  std::string data;
  bool end_of_file = false;
};

using NfsCallback = void (*)(struct rpc_context*, int status, void* data, void* private_data);

// Queues it; false if libnfs cannot (out of memory). The callback comes exactly once otherwise.
bool send_compound(struct rpc_context* rpc, const NfsRequest& request, NfsCallback callback,
                   void* private_data);
// Copies: what libnfs hands to a callback lives no longer than the callback.
NfsAnswer read_compound(const struct COMPOUND4res& reply);

std::string nfs_status_name(int status);

}  // namespace devrun::volume
