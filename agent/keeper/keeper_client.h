// The other side of the keeper's socket. Blocking, any thread, a connection per call.
#pragma once

#include <string>

#include "common/base/result.h"
#include "common/runtime/fd.h"

namespace devrun::keeper {

struct Descriptor {
  UniqueFd fd;
  std::string mounted_at;  // of a FUSE descriptor
};

// kNotFound: the keeper has none of that name.
Result<Descriptor> get(const std::string& socket, const std::string& name);
Status put(const std::string& socket, const std::string& name, int fd);
Status stop(const std::string& socket);

}  // namespace devrun::keeper
