#include "agent/volume/prefetch.h"

#include <algorithm>
#include <utility>

namespace devrun::volume {

namespace {

constexpr uint64_t kSmallBytesMax = 128 << 10;
constexpr unsigned kSmallThreads = 16;  // each waits for one call, most of the time
constexpr unsigned kLargeThreads = 8;
constexpr size_t kQueueMax = 1 << 16;
constexpr size_t kWaitingMax = 1 << 15;
constexpr size_t kWaitingBytesMax = 32 << 20;
constexpr uint64_t kStoreBytesMax = 1 << 20;  // at once
// The threads that answer the kernel store too. One of them may have to wait for a page that another of them is about
// to fill, so most of them must not.
constexpr int kStoringMax = 8;
constexpr uint64_t kGrainBytes = 4096;  // pages: what the kernel asks for begins anywhere
constexpr size_t kGivenMax = 1 << 18;   // files
constexpr NodeId kKnownMax = NodeId{1} << 26;

size_t bytes_of(const std::vector<Slice>& slices) {
  size_t sum = 0;
  for (const Slice& slice : slices) sum += slice.bytes.size();
  return sum;
}

}  // namespace

Prefetcher::Prefetcher(Vfs& vfs, Store store) : vfs_(vfs), store_(std::move(store)) {
  for (unsigned i = 0; i < kSmallThreads + kLargeThreads; ++i) {
    Queue& queue = i < kSmallThreads ? small_ : large_;
    threads_.emplace_back([this, &queue](const std::stop_token& stop) { work_off(queue, stop); });
  }
}

Prefetcher::~Prefetcher() {
  stop();
}

void Prefetcher::stop() {
  for (std::jthread& thread : threads_) thread.request_stop();
  threads_.clear();
}

void Prefetcher::want(const Range& range, Bring bring, const std::stop_token& run) {
  if (bring == Bring::kToKernel) {
    const std::lock_guard lock(mutex_);
    if (was_given(range)) return;
  }
  wanted_ += 1;
  // In pieces, so that several connections and cores share a large file, and a stop is soon.
  uint64_t at = range.offset;
  const uint64_t end = range.offset + range.size;
  while (at < end) {
    const uint64_t next = std::min(end, (at / tree::kChunkBytes + 1) * tree::kChunkBytes);
    Queue& queue = range.size <= kSmallBytesMax ? small_ : large_;
    add(queue, {{range.file, at, next - at}, bring, {}, run});
    at = next;
  }
}

void Prefetcher::think(std::function<void()> work, const std::stop_token& run) {
  add(small_, {{}, Bring::kHere, std::move(work), run});
}

void Prefetcher::add(Queue& queue, Task task) {
  const std::lock_guard lock(mutex_);
  if (queue.tasks.size() >= kQueueMax) {
    dropped_ += 1;
    return;
  }
  queue.tasks.push_back(std::move(task));
  queue.filled.notify_one();
}

void Prefetcher::work_off(Queue& queue, const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  while (queue.filled.wait(lock, stop, [&] { return !queue.tasks.empty(); })) {
    if (stop.stop_requested()) return;
    const Task task = std::move(queue.tasks.front());
    queue.tasks.pop_front();
    lock.unlock();
    if (!task.run.stop_requested()) {
      if (task.work) {
        task.work();
      } else {
        fetch(task);
      }
    }
    lock.lock();
  }
}

void Prefetcher::fetch(const Task& task) {
  const Range& range = task.range;
  {
    const std::lock_guard lock(mutex_);
    if (task.bring == Bring::kToKernel && was_given(range)) return;
  }
  std::vector<Slice> slices;
  std::vector<Slice>* const wanted = task.bring == Bring::kToKernel ? &slices : nullptr;
  if (!vfs_.warm(range.file, range.offset, range.size, task.run, wanted)) return;
  fetched_bytes_ += range.size;
  if (wanted == nullptr) return;
  const size_t bytes = bytes_of(slices);
  {
    const std::lock_guard lock(mutex_);
    const bool known = range.file < known_.size() && known_[range.file];
    if (!known) {
      if (bytes > kSmallBytesMax || waiting_bytes_ + bytes > kWaitingBytesMax) slices.clear();
      wait_until_known({range, std::move(slices), task.run});
      return;
    }
  }
  store(range, slices);
}

void Prefetcher::wait_until_known(Waiting waiting) {
  if (waiting_count_ >= kWaitingMax) {
    dropped_ += 1;
    return;
  }
  waiting_count_ += 1;
  waiting_bytes_ += bytes_of(waiting.slices);
  waiting_[waiting.range.file].push_back(std::move(waiting));
}

void Prefetcher::known(NodeId file) {
  std::vector<Waiting> mine;
  {
    const std::lock_guard lock(mutex_);
    if (file >= kKnownMax) return;
    if (file >= known_.size()) known_.resize(std::max<size_t>(file + 1, known_.size() * 2));
    known_[file] = true;
    const auto found = waiting_.find(file);
    if (found == waiting_.end()) return;
    mine = std::move(found->second);
    waiting_.erase(found);
    waiting_count_ -= mine.size();
    for (const Waiting& one : mine) waiting_bytes_ -= bytes_of(one.slices);
  }
  for (Waiting& one : mine) {
    if (one.run.stop_requested()) continue;
    if (one.slices.empty()) {
      add(large_, {one.range, Bring::kToKernel, {}, one.run});
    } else {
      store(one.range, one.slices);
    }
  }
}

void Prefetcher::given(const Range& range) {
  const std::lock_guard lock(mutex_);
  note_given(range);
}

// Whole grains alone; the last one of a file counts from its first byte.
void Prefetcher::note_given(const Range& range) {
  if (given_.size() >= kGivenMax) given_.clear();
  std::vector<uint64_t>& bits = given_[range.file];
  const uint64_t first = (range.offset + kGrainBytes - 1) / kGrainBytes;
  const uint64_t end = (range.offset + range.size + kGrainBytes - 1) / kGrainBytes;
  if (bits.size() * 64 < end) bits.resize((end + 63) / 64);
  for (uint64_t i = first; i < end; ++i) bits[i / 64] |= uint64_t{1} << (i % 64);
}

bool Prefetcher::was_given(const Range& range) const {
  const auto found = given_.find(range.file);
  if (found == given_.end()) return false;
  const uint64_t end = (range.offset + range.size + kGrainBytes - 1) / kGrainBytes;
  if (found->second.size() * 64 < end) return false;
  for (uint64_t i = range.offset / kGrainBytes; i < end; ++i) {
    if ((found->second[i / 64] >> (i % 64) & 1) == 0) return false;
  }
  return true;
}

bool Prefetcher::store(const Range& range, const std::vector<Slice>& slices) {
  static_assert(kStoreBytesMax >= tree::kChunkBytes);
  {
    // By another run that wants the same, perhaps.
    const std::lock_guard lock(mutex_);
    if (was_given(range)) return true;
  }
  bool stored = false;
  if (storing_.fetch_add(1) < kStoringMax) stored = store_(range.file, range.offset, slices);
  storing_ -= 1;
  if (stored) {
    given(range);
    stores_ += 1;
    stored_bytes_ += bytes_of(slices);
  }
  return stored;
}

void Prefetcher::count(std::map<std::string, uint64_t>& counters) const {
  counters["prefetch.ranges"] = wanted_;
  counters["prefetch.dropped"] = dropped_;
  counters["prefetch.bytes"] = fetched_bytes_;
  counters["prefetch.stores"] = stores_;
  counters["prefetch.bytes_stored"] = stored_bytes_;
}

}  // namespace devrun::volume
