// The other side of the keeper's socket. Blocking, any thread, a connection per call.
#pragma once

#include <string>

#include "common/base/result.h"
#include "common/runtime/fd.h"
#include "common/wire/node_calls.h"

namespace devrun::keeper {

struct Descriptor {
  UniqueFd fd;
  std::string mounted_at;  // of a FUSE descriptor
};

// kNotFound: the keeper has none of that name.
Result<Descriptor> get(const std::string& socket, const std::string& name);
Status put(const std::string& socket, const std::string& name, int fd);
// The keeper runs `program` from now on, and starts it again whenever it ends; one that runs is left
// alone, and this is what comes after it.
Status run(const std::string& socket, const wire::KeeperRun& program);
Result<wire::KeeperSeen> look(const std::string& socket);
Status stop(const std::string& socket);

}  // namespace devrun::keeper
