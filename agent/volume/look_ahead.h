// Notices who reads a file from front to back, and says which chunks such a reader will want next: the kernel's own
// read-ahead is one request deep, too little to fill a network. Pure but for its memory; not thread-safe.
#pragma once

#include <cstdint>
#include <list>

#include "agent/volume/chunk_key.h"

namespace devrun::volume {

class LookAhead {
 public:
  struct Chunks {
    uint32_t first = 0;
    uint32_t end = 0;  // none: first == end
  };

  // A read of the chunks [first, end) of the body (its key of index 0), which has `chunks`; what to fetch ahead.
  Chunks on_read(const ChunkKey& body, uint32_t first, uint32_t end, uint32_t chunks);

 private:
  static constexpr size_t kStreamsMax = 32;
  static constexpr uint32_t kWindowMax = 12;       // chunks ahead of a reader that is alone
  static constexpr uint32_t kWindowOfAllMax = 32;  // for all readers: they share the memory

  struct Stream {
    ChunkKey body;
    uint32_t next = 0;    // the chunk behind the last read
    uint32_t asked = 0;   // fetched ahead up to here
    uint32_t window = 0;  // 0: not known to be sequential
  };

  std::list<Stream> streams_;  // the last used first
};

}  // namespace devrun::volume
