// The bytes of files, by body. Bodies are fetched in whole chunks of 1 MiB, and each chunk of a body that has hashes is
// checked against its own before anybody sees a byte of it. A bounded memory holds the chunks last used, because the
// kernel asks for parts of them; the disk cache, if there is one, holds more and for longer. Bodies of one chunk cost
// one call, others one more for the list of hashes, once.
//
//   memory ──▶ disk cache ──▶ store ──▶ verify ──▶ memory, disk cache, all who wait
//
// Nobody waits on a thread: a read is answered by the thread on which its last chunk arrives. Two readers of one chunk
// fetch it once. Who reads a file from front to back finds the next chunks on their way. Reads wait for a store that
// is away. Any thread.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "agent/volume/chunk_key.h"
#include "agent/volume/disk_cache.h"
#include "agent/volume/look_ahead.h"
#include "agent/volume/object_store.h"
#include "agent/volume/work_pool.h"
#include "common/tree/tree.h"

namespace devrun::volume {

// A piece of a file; keeps its bytes alive.
struct Slice {
  std::shared_ptr<const std::string> owner;
  std::string_view bytes;
};

class BodyReader {
 public:
  using Slices = std::vector<Slice>;
  using Reply = std::function<void(Result<Slices>)>;

  // `disk` may be null. Both outlive it.
  BodyReader(ObjectStore& store, DiskCache* disk, uint64_t memory_bytes_max);
  ~BodyReader();  // closes the store; reads under way end with kCancelled
  BodyReader(const BodyReader&) = delete;
  BodyReader& operator=(const BodyReader&) = delete;

  // Bytes from `offset`, `size` of them unless the file (of `file_size` bytes) ends before. `reply` is called once, by
  // this call or later on a thread of the reader or the store, and must not wait for anything.
  // kCorrupt if the stored bytes are not those of the body; the message names it.
  void read(const tree::Body& body, uint64_t file_size, uint64_t offset, uint64_t size,
            Reply reply);
  // The same, waiting.
  Result<Slices> read(const tree::Body& body, uint64_t file_size, uint64_t offset, uint64_t size);

  // The list of the hashes of a body's chunks; empty for a body that has none. As read().
  using Bytes = std::shared_ptr<const std::string>;
  void hashes(const tree::Body& body, uint64_t file_size,
              std::function<void(const Result<Bytes>&)> reply);

  // Brings what the range needs to this node (with a disk cache: there, else to memory), behind all demand reads, and
  // returns once it is here; at once if it was. Call it from several threads for several fetches at once: as many as
  // kPrefetchesMax small ones are under way, the others wait without standing in the way of a demand read of the same
  // bytes. kCancelled: `stop` was requested. Must have returned before the reader goes. With `slices`, the range's bytes
  // are added there, so that they need not be read again.
  Status warm(const tree::Body& body, uint64_t file_size, uint64_t offset, uint64_t size,
              const std::stop_token& stop, Slices* slices = nullptr);

  void count(std::map<std::string, uint64_t>& counters) const;

 private:
  using Landing = std::function<void(const Result<Bytes>&)>;
  struct Flight {
    std::vector<Landing> landings;
  };
  struct Held {
    Bytes bytes;
    std::list<ChunkKey>::iterator position;
  };
  // What is to be fetched: a chunk of a body, or its list of hashes.
  struct Chunk {
    tree::Body body;
    uint64_t file_size = 0;
    uint32_t index = 0;

    ChunkKey key() const { return ChunkKey::of(body, index); }
    uint64_t count() const;  // of the body's chunks
    uint64_t size() const;
    std::string path() const;
  };
  struct Pending;

  void want(const Chunk& chunk, Priority priority, Landing landing);
  void begin(const Chunk& chunk, Priority priority);
  void fetch(const Chunk& chunk, Priority priority);
  void ask(const Chunk& chunk, Priority priority, const std::optional<Digest>& wanted, int tries);
  void ask_list(const Chunk& list, Priority priority, const std::shared_ptr<std::string>& so_far);
  void arrived(const Chunk& chunk, Priority priority, const std::optional<Digest>& wanted,
               int tries, Result<std::string> bytes);
  void land(const Chunk& chunk, Result<Bytes> bytes, bool fresh);
  void look_ahead(const tree::Body& body, uint64_t file_size, uint32_t first, uint32_t end);
  bool is_here(const ChunkKey& key) const;
  Bytes remembered(const ChunkKey& key);                   // with the lock
  void remember(const ChunkKey& key, const Bytes& bytes);  // with the lock

  ObjectStore& store_;
  DiskCache* const disk_;
  const uint64_t memory_bytes_max_;

  mutable std::mutex mutex_;  // guards these
  std::condition_variable_any prefetched_;
  unsigned prefetches_ = 0;  // under way, weighed
  std::condition_variable landed_;
  size_t under_way_ = 0;
  std::unordered_map<ChunkKey, Flight, ChunkKeyHash> flights_;
  std::unordered_map<ChunkKey, Held, ChunkKeyHash> held_;
  std::list<ChunkKey> used_;  // keys of held_, the last used first
  uint64_t held_bytes_ = 0;
  LookAhead look_ahead_;

  std::atomic<uint64_t> hits_{0}, fetches_{0}, bytes_fetched_{0}, mismatches_{0}, ahead_{0};
  WorkPool pool_;  // its threads use all of the above
};

}  // namespace devrun::volume
