// Brings bytes to this node before they are asked for, behind all demand reads, and where the kernel knows the file
// already, into its page cache, so that it never asks.
//
// What to bring comes from a run's trace (replay.h) or from guessing at what was read just now (guess.h). Both name
// ranges of files by node. A range that is here is handed to the kernel (FUSE's NOTIFY_STORE) if it has looked the file
// up; else it waits for that, small ones with their bytes in hand, so that they are there before the read that follows a
// lookup.
//
//   want ─▶ queue ─▶ (worker) warm ─▶ known to the kernel? ──yes──▶ store
//                                        └──no──▶ waits ──known()──┘
//
// Wants of a run end with it. Everything is bounded: what does not fit is dropped, which costs speed alone. Any thread.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "agent/volume/vfs.h"

namespace devrun::volume {

class Prefetcher {
 public:
  // Hands bytes of a file to the kernel; false: it does not know the file (any more).
  using Store = std::function<bool(NodeId file, uint64_t offset, const std::vector<Slice>& slices)>;

  struct Range {
    NodeId file = 0;
    uint64_t offset = 0;
    uint64_t size = 0;
  };

  Prefetcher(Vfs& vfs, Store store);
  ~Prefetcher();
  Prefetcher(const Prefetcher&) = delete;
  Prefetcher& operator=(const Prefetcher&) = delete;

  // Ends what is under way and does nothing from then on; before what its work uses goes.
  void stop();

  enum class Bring { kHere, kToKernel };

  // What the kernel was given already is left out of what is to go to it. Requesting a stop of `run` drops what is left.
  void want(const Range& range, Bring bring, const std::stop_token& run);
  // Work that may block, done by a worker after what was wanted before.
  void think(std::function<void()> work, const std::stop_token& run);

  // The kernel has just been told of the file. Short; may hand it the file's bytes.
  void known(NodeId file);
  // The kernel asks for these bytes and is being given them.
  void given(const Range& range);

  void count(std::map<std::string, uint64_t>& counters) const;

 private:
  struct Task {
    Range range;
    Bring bring = Bring::kHere;
    std::function<void()> work;  // instead of a range
    std::stop_token run;
  };
  struct Queue {
    std::deque<Task> tasks;
    std::condition_variable_any filled;
  };
  // Here, but not known to the kernel.
  struct Waiting {
    Range range;
    std::vector<Slice> slices;  // empty: read them again
    std::stop_token run;
  };

  void add(Queue& queue, Task task);
  void work_off(Queue& queue, const std::stop_token& stop);
  void fetch(const Task& task);
  void wait_until_known(Waiting waiting);
  bool store(const Range& range, const std::vector<Slice>& slices);
  bool was_given(const Range& range) const;  // with the lock, as the next
  void note_given(const Range& range);

  Vfs& vfs_;
  const Store store_;

  mutable std::mutex mutex_;  // guards all below but the counters
  Queue small_, large_;
  std::vector<bool> known_;  // by node id
  // What the kernel was given of each file: a bit for each kGrainBytes. It may have dropped some of it since: then it asks.
  std::unordered_map<NodeId, std::vector<uint64_t>> given_;
  std::unordered_map<NodeId, std::vector<Waiting>> waiting_;
  size_t waiting_count_ = 0;
  size_t waiting_bytes_ = 0;

  std::atomic<uint64_t> wanted_{0}, dropped_{0}, fetched_bytes_{0}, stored_bytes_{0}, stores_{0};
  std::atomic<int> storing_{0};
  std::vector<std::jthread> threads_;  // end first
};

}  // namespace devrun::volume
