// The least that reading over NFS costs: libnfs's compounds with a fixed number under way, whose bytes nobody looks at.
#pragma once

#include <string>
#include <vector>

#include "agent/volume/nfs_address.h"
#include "common/base/result.h"

namespace devrun::bench {

struct RawRead {
  std::string path;  // of the export
  uint64_t offset = 0;
  uint32_t count = 0;
};

// All of them, shared by so many connections with so many calls in flight each; the bytes that came.
Result<uint64_t> read_raw(const volume::NfsAddress& address, const std::vector<RawRead>& reads,
                          unsigned connections, unsigned in_flight);

}  // namespace devrun::bench
