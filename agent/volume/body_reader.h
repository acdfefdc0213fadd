// The bytes of files, by body. Chunked bodies are fetched in whole chunks of 1 MiB and each is
// checked against its hash before anybody sees a byte of it; a bounded memory holds the chunks last
// used, because the kernel asks for parts of them. Provisional bodies have no hash yet and are read
// as they are asked for. Bodies of one chunk cost one call, others one more for the list of hashes,
// once.
//
// Any thread. Two readers of one chunk fetch it once. Reads wait for a store that is away.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "agent/volume/object_store.h"
#include "common/tree/tree.h"

namespace devrun::volume {

// A piece of a file; keeps its bytes alive.
struct Slice {
  std::shared_ptr<const std::string> owner;
  std::string_view bytes;
};

class BodyReader {
 public:
  BodyReader(ObjectStore& store, uint64_t memory_bytes_max)
      : store_(store), memory_bytes_max_(memory_bytes_max) {}

  // Bytes from `offset`, `size` of them unless the file (of `file_size` bytes) ends before.
  // kCorrupt if the stored bytes are not those of the body; the message names it.
  Result<std::vector<Slice>> read(const tree::Body& body, uint64_t file_size, uint64_t offset,
                                  uint64_t size);

  // Brings what the range needs to this node, behind all demand reads, and returns once it is here;
  // at once if it was. Call it from several threads for several fetches at once: at most
  // kPrefetchesMax are under way, the others wait without standing in the way of a demand read of
  // the same bytes. kCancelled: `stop` was requested. A provisional body is kUnsupported.
  Status warm(const tree::Body& body, uint64_t file_size, uint64_t offset, uint64_t size,
              const std::stop_token& stop);

  void count(std::map<std::string, uint64_t>& counters) const;

 private:
  using Bytes = std::shared_ptr<const std::string>;
  using Fetch = std::function<Result<std::string>()>;
  static constexpr unsigned kPrefetchesMax = 32;
  struct Flight {
    bool done = false;
    Result<Bytes> bytes = Bytes{};
  };
  struct Held {
    Bytes bytes;
    std::list<std::string>::iterator position;
  };

  Result<Bytes> chunk(const tree::Body& body, uint64_t file_size, uint64_t index,
                      Priority priority);
  Result<std::string> fetch_chunk(const tree::Body& body, uint64_t file_size, uint64_t index,
                                  Priority priority);
  Result<std::string> fetch_chunk_list(const tree::Body& body, uint64_t chunks, Priority priority);
  Result<std::vector<Slice>> read_provisional(const tree::Body& body, uint64_t offset,
                                              uint64_t size);
  // From memory, from who is fetching it just now, or by `fetch`.
  Result<Bytes> once(const std::string& key, const Fetch& fetch);
  void remember(const std::string& key, const Bytes& bytes);

  ObjectStore& store_;
  const uint64_t memory_bytes_max_;

  mutable std::mutex mutex_;
  std::condition_variable landed_;
  std::condition_variable_any prefetched_;
  unsigned prefetches_ = 0;
  std::unordered_map<std::string, std::shared_ptr<Flight>> flights_;
  std::unordered_map<std::string, Held> held_;
  std::list<std::string> used_;  // keys of held_, the last used first
  uint64_t held_bytes_ = 0;
  std::atomic<uint64_t> hits_{0};
  std::atomic<uint64_t> fetches_{0};
  std::atomic<uint64_t> mismatches_{0};
};

}  // namespace devrun::volume
