// Chunks of bodies on the node's own disk, for all its jobs, over restarts. They lie in segments of some tens of
// megabytes (disk_segment.h), because a file for each of thousands of small bodies costs ten times as much.
//
// Writing is done behind the readers' backs by one thread, from a queue with a limit: what does not fit is not kept.
// What is in the queue is found like what is on disk. Nothing is synced: every record has a checksum, which is looked
// at whenever it is read, so a crash or a failing disk costs a fetch and never a wrong byte.
//
// When the limit is reached the oldest segment goes. What was read in it since it was written is written again at the
// front (second chance), so what goes is what nobody has read for the longest time, at the cost of one sequential write.
//
// A disk that is full or fails is told once and tried again later; until then memory and the store serve. The folder
// belongs to one process at a time; a second one waits for it in its thread, without a cache until then.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "agent/volume/chunk_key.h"
#include "agent/volume/disk_index.h"
#include "agent/volume/disk_segment.h"
#include "common/base/result.h"
#include "common/runtime/fd.h"

namespace devrun::volume {

class DiskCache {
 public:
  using Bytes = DiskSegment::Bytes;
  struct Limits {
    uint64_t bytes_max = uint64_t{20} << 30;
    unsigned free_percent_min = 10;  // of the file system, which the cache leaves to others
    uint64_t queue_bytes_max = 64 << 20;
  };
  static constexpr uint64_t kBytesMin = 16 << 20;  // of bytes_max

  // Makes the folder. What an earlier process left is found in the background.
  static Result<std::unique_ptr<DiskCache>> open(const std::string& folder, Limits limits);
  ~DiskCache();  // writes what is queued
  DiskCache(const DiskCache&) = delete;
  DiskCache& operator=(const DiskCache&) = delete;

  // The chunk's bytes as they were put, or null. Waits for the disk.
  Bytes get(const ChunkKey& key);
  // Whether get() would look; without the disk.
  bool holds(const ChunkKey& key) const;
  // Does not wait. Bytes that somebody has verified.
  void put(const ChunkKey& key, Bytes bytes);

  // Until what was put is on disk or given up, and what an earlier process left is found.
  void settle();
  void count(std::map<std::string, uint64_t>& counters) const;

 private:
  using Chunk = DiskSegment::Chunk;
  using Clock = std::chrono::steady_clock;

  DiskCache(std::string folder, UniqueFd fd, Limits limits);
  void run(const std::stop_token& stop);
  bool own_folder(const std::stop_token& stop);
  void recover();
  void adopt(const std::shared_ptr<DiskSegment>& segment);
  std::vector<Chunk> next_batch(const std::stop_token& stop);
  void write(const std::vector<Chunk>& batch);
  Status write_some(std::span<const Chunk> chunks);
  Status open_segment();
  uint64_t limit_now() const;
  // Until `bytes` more fit; what deserves to stay is added to `survivors`.
  void make_room(uint64_t bytes, std::vector<Chunk>* survivors);
  void evict_oldest(std::vector<Chunk>* survivors);
  void failed(const Error& error);

  const std::string folder_name_;
  const UniqueFd folder_;
  const Limits limits_;
  const uint64_t segment_bytes_;

  mutable std::mutex mutex_;  // guards these
  std::condition_variable_any queued_;
  std::condition_variable settled_;
  std::deque<Chunk> queue_;
  uint64_t queue_bytes_ = 0;
  std::unordered_map<ChunkKey, Bytes, ChunkKeyHash> pending_;  // queued or being written
  DiskIndex index_;
  std::map<uint32_t, std::shared_ptr<DiskSegment>> segments_;
  uint64_t bytes_ = 0;  // of all segments
  bool idle_ = false;

  // Of the thread alone.
  std::shared_ptr<DiskSegment> current_;
  DiskSegment::Buffer buffer_;
  uint32_t next_number_ = 1;
  Clock::time_point paused_until_{};
  bool told_ = false;

  std::atomic<uint64_t> hits_{0}, misses_{0}, written_bytes_{0}, dropped_{0}, evicted_{0},
      evicted_bytes_{0}, damaged_{0};
  std::jthread thread_;
};

}  // namespace devrun::volume
