// Writes the chunks of one large body past the page cache, by threads of its own: hashing the next chunk does not wait for the disk,
// nor one write for another. Filling the page cache costs more, and all of it would have to be flushed before the body counts.
//
//   take ─▶ (filled by whoever receives) ─▶ put ─▶ written ─▶ take …
//
// One thread uses it.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <cstdlib>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "common/base/result.h"
#include "common/runtime/fd.h"

namespace devrun::storage {

struct FreeMemory {
  void operator()(char* memory) const { std::free(memory); }
};
using ChunkMemory = std::unique_ptr<char, FreeMemory>;

// Of at least `bytes`, and aligned as such writes must be.
ChunkMemory chunk_memory(size_t bytes);

class ChunkWriter {
 public:
  // Null where the file system takes no such writes. `file` is made `size` bytes long, and stays open.
  static std::unique_ptr<ChunkWriter> open(int file, uint64_t size);
  ~ChunkWriter();

  // Memory for a chunk; waits for some.
  ChunkMemory take();
  // A whole chunk, for that place of the file. Ends with what went wrong with another.
  Status put(ChunkMemory chunk, uint64_t offset);
  // Waits until all is written: what went wrong first.
  Status finish();

 private:
  struct Job {
    ChunkMemory chunk;
    uint64_t offset = 0;
  };
  ChunkWriter(int file, UniqueFd direct);
  void run();
  Status write(const Job& job) const;

  const int file_;
  const UniqueFd direct_;  // the same file, past the page cache
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Job> jobs_;
  std::vector<ChunkMemory> free_;
  size_t made_ = 0;
  size_t under_way_ = 0;
  bool closed_ = false;
  Status failed_ = ok();
  std::vector<std::thread> threads_;
};

}  // namespace devrun::storage
