// Where a tree's objects lie, seen from a node: the store's export as immutable files by relative
// path (common/tree/ paths.h spells them). Implementations: HostStore (a folder), NfsStore (the
// export over NFS), and in tests a map.
//
// Calls block and may come from any thread. With a deadline a store that is away ends the call with
// kUnavailable; without one the call waits for the store to come back, as a hard mount does.
// kNotFound is the store's own answer.
//
// What somebody waits for goes before what may be wanted later: a read of prefetch priority never
// makes one of demand priority wait for more than what is on the wire already.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>

#include "common/base/result.h"

namespace devrun::volume {

using Deadline = std::optional<std::chrono::steady_clock::time_point>;

enum class Priority : uint8_t {
  kDemand,
  kReadAhead,  // of a file that is being read: before kPrefetch, behind kDemand
  kPrefetch,
};

class ObjectStore {
 public:
  virtual ~ObjectStore() = default;

  // The whole file; kExhausted beyond `bytes_max`.
  virtual Result<std::string> read_whole(const std::string& path, uint64_t bytes_max,
                                         Deadline deadline,
                                         Priority priority = Priority::kDemand) = 0;

  // Up to `size` bytes from `offset`; fewer only at the file's end.
  virtual Result<std::string> read_range(const std::string& path, uint64_t offset, uint64_t size,
                                         Deadline deadline,
                                         Priority priority = Priority::kDemand) = 0;

  // One range without waiting: at most kStartBytesMax, and no deadline. `done` is called once, by this
  // call or later by a thread of the store, which `done` must not hold up for long.
  static constexpr uint64_t kStartBytesMax = 1 << 20;
  struct Range {
    std::string path;
    uint64_t offset = 0;
    uint64_t size = 0;
    Priority priority = Priority::kDemand;
  };
  using Done = std::function<void(Result<std::string>)>;
  virtual void start(const Range& range, Done done) {
    done(read_range(range.path, range.offset, range.size, std::nullopt, range.priority));
  }

  // Ends what was started and is not done, and all that comes later, with kCancelled. Afterwards `done` of nothing
  // will be called.
  virtual void close() {}

  // Adds its own counters: nfs.read, nfs.bytes_read, …
  virtual void count(std::map<std::string, uint64_t>& counters) const = 0;
};

}  // namespace devrun::volume
