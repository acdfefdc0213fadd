// Provisional bodies: large files whose hash is not waited for. Such a body is a clone under a name
// that says nothing of its bytes; here they are hashed in the background, one at a time, so that
// later snapshots can name them by content. What happens when is in volume.h. A file that is still
// being written has another body in the next snapshot: hashing waits until it had a rest.
//
// Any thread. What was asked for and not done when the object ends is asked for again when the tree
// is loaded.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>

#include "common/base/result.h"
#include "common/tree/tree.h"

namespace devrun::storage {

// A file with a provisional body.
struct ProvisionalFile {
  uint64_t inode = 0;
  tree::Body body;
  uint64_t size = 0;
};

class ProvisionalHasher {
 public:
  // `hash` brings a provisional body of so many bytes into the store by its content; it is called
  // in the hasher's thread and ends early, with any error, when `stopping` says so.
  using Hash = std::function<Result<tree::Body>(const tree::Body&, uint64_t size,
                                                const std::function<bool()>& stopping)>;
  explicit ProvisionalHasher(Hash hash) : hash_(std::move(hash)) {}
  ~ProvisionalHasher();

  // After some seconds. Begins its thread with the first one.
  void hash_later(const tree::Body& body, uint64_t size);
  // What it is called by content, once that is known.
  std::optional<tree::Body> hashed(const tree::Body& body) const;
  // As if it had not been asked for; nothing if it is not hashed yet.
  void forget(const tree::Body& body);
  // Its file has changed since: it stays provisional, unless it is hashed already.
  void abandon(const tree::Body& body);
  // Until nothing is left to do, which begins at once.
  void wait_until_idle();

 private:
  using Clock = std::chrono::steady_clock;
  struct Wanted {
    tree::Body body;
    uint64_t size = 0;
    Clock::time_point not_before;
  };
  void run();
  // Until the first one in the queue may begin; false: the object ends.
  bool wait_for_next(std::unique_lock<std::mutex>& lock);

  const Hash hash_;
  mutable std::mutex mutex_;  // guards all below
  mutable std::condition_variable changed_;
  std::deque<Wanted> queue_;
  std::set<std::string> asked_;  // ids; what failed is not tried again before a restart
  std::map<std::string, tree::Body> hashed_;
  std::optional<std::string> busy_;  // the id of the one that is being hashed
  bool abandoned_ = false;           // that one
  size_t hurried_ = 0;               // threads in wait_until_idle
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace devrun::storage
