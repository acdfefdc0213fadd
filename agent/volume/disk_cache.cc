#include "agent/volume/disk_cache.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "common/base/log.h"
#include "common/base/units.h"
#include "common/runtime/file.h"

namespace devrun::volume {

namespace {

using std::chrono::milliseconds;

constexpr uint64_t kSegmentsWanted = 256;
constexpr uint64_t kSegmentBytesMin = 4 << 20;
constexpr uint64_t kSegmentBytesMax = uint64_t{1} << 30;
constexpr uint64_t kBatchBytesMax = 4 << 20;
constexpr size_t kBatchChunksMax = 256;
constexpr milliseconds kPauseAfterFailure{10'000};
constexpr milliseconds kLookAtDiskEvery{10'000};
constexpr milliseconds kTryLockEvery{200};

uint64_t segment_bytes_for(uint64_t bytes_max) {
  return std::clamp(bytes_max / kSegmentsWanted, kSegmentBytesMin, kSegmentBytesMax);
}

uint64_t taken_by(const std::vector<DiskSegment::Chunk>& chunks) {
  uint64_t out = 0;
  for (const DiskSegment::Chunk& chunk : chunks)
    out += DiskSegment::bytes_taken(chunk.bytes->size());
  return out;
}

}  // namespace

Result<std::unique_ptr<DiskCache>> DiskCache::open(const std::string& folder, Limits limits) {
  if (limits.bytes_max < kBytesMin || limits.free_percent_min >= 100) {
    return Error{
        Code::kInvalid,
        fmt::format("a cache of {} that leaves {} % free: at least {}, and less than 100 %",
                    format_size(static_cast<int64_t>(limits.bytes_max)), limits.free_percent_min,
                    format_size(kBytesMin)),
        {}};
  }
  TRY(make_folders(folder, 0700));
  UniqueFd fd = TRY(open_file(folder, O_RDONLY | O_DIRECTORY));
  return std::unique_ptr<DiskCache>(new DiskCache(folder, std::move(fd), limits));
}

DiskCache::DiskCache(std::string folder, UniqueFd fd, Limits limits)
    : folder_name_(std::move(folder)),
      folder_(std::move(fd)),
      limits_(limits),
      segment_bytes_(segment_bytes_for(limits.bytes_max)),
      thread_([this](const std::stop_token& stop) { run(stop); }) {}

DiskCache::~DiskCache() {
  thread_.request_stop();
  thread_.join();
}

DiskCache::Bytes DiskCache::get(const ChunkKey& key) {
  const uint64_t hash = key.hash();
  std::shared_ptr<DiskSegment> segment;
  DiskIndex::Cell cell;
  {
    const std::lock_guard lock(mutex_);
    if (const auto found = pending_.find(key); found != pending_.end()) {
      hits_ += 1;
      return found->second;
    }
    DiskIndex::Cell* found = index_.find(hash);
    if (found == nullptr) {
      misses_ += 1;
      return nullptr;
    }
    found->used = true;
    cell = *found;
    segment = segments_.at(cell.segment);
  }
  Result<Bytes> bytes = segment->read(key, cell.offset, cell.size);
  if (bytes) {
    hits_ += 1;
    return std::move(*bytes);
  }
  misses_ += 1;
  if (bytes.error().code == Code::kNotFound) return nullptr;
  // One line stands for all; `devrun nodes show` has the count.
  if (damaged_++ == 0)
    log::warning("{} in {}: the chunk is fetched again", bytes.error().message, folder_name_);
  const std::lock_guard lock(mutex_);
  const DiskIndex::Cell* now = index_.find(hash);
  if (now != nullptr && now->segment == cell.segment && now->offset == cell.offset)
    index_.erase(hash);
  return nullptr;
}

bool DiskCache::holds(const ChunkKey& key) const {
  const std::lock_guard lock(mutex_);
  return pending_.contains(key) || index_.find(key.hash()) != nullptr;
}

void DiskCache::put(const ChunkKey& key, Bytes bytes) {
  const uint64_t size = bytes->size();
  {
    const std::lock_guard lock(mutex_);
    if (pending_.contains(key) || index_.find(key.hash()) != nullptr) return;
    if (queue_bytes_ + size > limits_.queue_bytes_max ||
        DiskSegment::bytes_taken(size) > segment_bytes_ / 2) {
      dropped_ += 1;
      return;
    }
    queue_bytes_ += size;
    pending_.emplace(key, bytes);
    queue_.push_back({key, std::move(bytes)});
    idle_ = false;
  }
  queued_.notify_one();
}

void DiskCache::settle() {
  std::unique_lock lock(mutex_);
  settled_.wait(lock, [this] { return idle_; });
}

void DiskCache::run(const std::stop_token& stop) {
  if (!own_folder(stop)) return;
  recover();
  for (;;) {
    const std::vector<Chunk> batch = next_batch(stop);
    if (batch.empty() && stop.stop_requested()) break;
    if (batch.empty()) {
      make_room(0, nullptr);  // others may have filled the disk
      continue;
    }
    write(batch);
    const std::lock_guard lock(mutex_);
    for (const Chunk& chunk : batch) {
      queue_bytes_ -= chunk.bytes->size();
      pending_.erase(chunk.key);
    }
  }
  if (current_ && !current_->seal())
    log::warning("the cache's last segment will be read whole at the next start");
}

bool DiskCache::own_folder(const std::stop_token& stop) {
  while (::flock(folder_.get(), LOCK_EX | LOCK_NB) != 0) {
    std::unique_lock lock(mutex_);
    queued_.wait_for(lock, stop, kTryLockEvery, [] { return false; });
    if (stop.stop_requested()) return false;
  }
  return true;
}

void DiskCache::recover() {
  const auto began = Clock::now();
  std::vector<uint32_t> numbers;
  DIR* listing = ::fdopendir(::fcntl(folder_.get(), F_DUPFD_CLOEXEC, 0));
  if (listing == nullptr) return;
  while (const dirent* entry = ::readdir(listing)) {
    if (const auto number = DiskSegment::number_of(entry->d_name)) numbers.push_back(*number);
  }
  ::closedir(listing);
  std::sort(numbers.begin(), numbers.end());
  for (const uint32_t number : numbers) {
    Result<std::shared_ptr<DiskSegment>> segment = DiskSegment::open(folder_.get(), number);
    if (segment) adopt(*segment);
    if (!segment) log::warning("{}", segment.error().message);
    next_number_ = number + 1;
  }
  if (numbers.empty()) return;
  const std::lock_guard lock(mutex_);
  const auto took = std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - began);
  log::info("the cache in {} has {} chunks, {}; found in {}", folder_name_, index_.count(),
            format_size(static_cast<int64_t>(bytes_)), format_duration(Duration{took.count()}));
}

void DiskCache::adopt(const std::shared_ptr<DiskSegment>& segment) {
  const auto records = segment->records();
  if (!records || records->empty()) {
    segment->remove();
    return;
  }
  const std::lock_guard lock(mutex_);
  for (const DiskSegment::Record& record : *records) {
    index_.put({record.hash, segment->number(), record.offset, record.size, false});
  }
  segments_.emplace(segment->number(), segment);
  bytes_ += segment->bytes();
}

std::vector<DiskCache::Chunk> DiskCache::next_batch(const std::stop_token& stop) {
  std::vector<Chunk> out;
  uint64_t bytes = 0;
  std::unique_lock lock(mutex_);
  if (queue_.empty()) {
    idle_ = true;
    settled_.notify_all();
    queued_.wait_for(lock, stop, kLookAtDiskEvery, [this] { return !queue_.empty(); });
  }
  while (!queue_.empty() && out.size() < kBatchChunksMax && bytes < kBatchBytesMax) {
    bytes += queue_.front().bytes->size();
    out.push_back(std::move(queue_.front()));
    queue_.pop_front();
  }
  return out;
}

void DiskCache::write(const std::vector<Chunk>& batch) {
  if (Clock::now() < paused_until_) {
    dropped_ += batch.size();
    return;
  }
  for (std::span<const Chunk> rest = batch; !rest.empty();) {
    const uint64_t full = segment_bytes_ - DiskSegment::kBlockBytes;
    const uint64_t room = current_ ? full - std::min(full, current_->bytes()) : 0;
    size_t count = 0;
    uint64_t taken = 0;
    while (count < rest.size()) {
      taken += DiskSegment::bytes_taken(rest[count].bytes->size());
      if (taken > room) break;
      count += 1;
    }
    const Status done = count > 0 ? write_some(rest.first(count)) : open_segment();
    if (!done) {
      dropped_ += rest.size();
      failed(done.error());
      return;
    }
    rest = rest.subspan(count);
  }
  if (told_) log::info("the cache in {} is written again", folder_name_);
  told_ = false;
}

Status DiskCache::write_some(std::span<const Chunk> chunks) {
  std::vector<DiskSegment::Record> records;
  const uint64_t before = current_->bytes();
  TRY(current_->append(chunks, buffer_, records));
  const uint64_t grown = current_->bytes() - before;
  written_bytes_ += grown;
  const std::lock_guard lock(mutex_);
  bytes_ += grown;
  for (const DiskSegment::Record& record : records) {
    index_.put({record.hash, current_->number(), record.offset, record.size, false});
  }
  return ok();
}

Status DiskCache::open_segment() {
  if (current_) {
    const uint64_t before = current_->bytes();
    const Status sealed = current_->seal();  // without its table it is only slower to find again
    const std::lock_guard lock(mutex_);
    bytes_ += current_->bytes() - before;
    current_.reset();
    TRY(sealed);
  }
  std::vector<Chunk> survivors;
  make_room(segment_bytes_, &survivors);
  current_ = TRY(DiskSegment::create(folder_.get(), next_number_++));
  {
    const std::lock_guard lock(mutex_);
    segments_.emplace(current_->number(), current_);
  }
  return survivors.empty() ? ok() : write_some(survivors);
}

uint64_t DiskCache::limit_now() const {
  struct statvfs disk {};
  if (::fstatvfs(folder_.get(), &disk) != 0) return limits_.bytes_max;
  const uint64_t available = uint64_t{disk.f_bavail} * disk.f_frsize;
  const uint64_t others = uint64_t{disk.f_blocks} * disk.f_frsize / 100 * limits_.free_percent_min;
  const std::lock_guard lock(mutex_);
  const uint64_t possible = bytes_ + available;
  return std::min(limits_.bytes_max, possible > others ? possible - others : 0);
}

void DiskCache::make_room(uint64_t bytes, std::vector<Chunk>* survivors) {
  for (;;) {
    const uint64_t limit = limit_now();
    {
      const std::lock_guard lock(mutex_);
      if (segments_.empty() || bytes_ + bytes <= limit) return;
      if (segments_.begin()->second == current_ && bytes_ <= limit) return;
    }
    evict_oldest(survivors);
  }
}

void DiskCache::evict_oldest(std::vector<Chunk>* survivors) {
  std::shared_ptr<DiskSegment> oldest;
  {
    const std::lock_guard lock(mutex_);
    oldest = segments_.begin()->second;
  }
  const auto records = oldest->records();
  if (!records) log::warning("{}", records.error().message);
  std::vector<DiskSegment::Record> kept;
  {
    const std::lock_guard lock(mutex_);
    for (const DiskSegment::Record& record :
         records ? *records : std::vector<DiskSegment::Record>()) {
      const DiskIndex::Cell* cell = index_.find(record.hash);
      if (cell == nullptr || cell->segment != oldest->number() || cell->offset != record.offset)
        continue;
      if (cell->used) kept.push_back(record);
      evicted_ += cell->used ? 0 : 1;
      evicted_bytes_ += cell->used ? 0 : record.size;
    }
  }
  uint64_t taken = survivors == nullptr ? 0 : taken_by(*survivors);
  for (const DiskSegment::Record& record : kept) {
    taken += DiskSegment::bytes_taken(record.size);
    // At most half a segment, or there would be no end of it.
    Result<Chunk> chunk = survivors == nullptr || taken > segment_bytes_ / 2
                              ? Result<Chunk>(Error{})
                              : oldest->read_any(record);
    if (chunk) survivors->push_back(std::move(*chunk));
    if (!chunk) evicted_ += 1;
  }
  const std::lock_guard lock(mutex_);
  for (const DiskSegment::Record& record :
       records ? *records : std::vector<DiskSegment::Record>()) {
    const DiskIndex::Cell* cell = index_.find(record.hash);
    if (cell != nullptr && cell->segment == oldest->number()) index_.erase(record.hash);
  }
  oldest->remove();
  bytes_ -= oldest->bytes();
  segments_.erase(oldest->number());
  if (oldest == current_) current_.reset();
}

// Not of the readers' business: memory and the store serve.
void DiskCache::failed(const Error& error) {
  paused_until_ = Clock::now() + kPauseAfterFailure;
  if (!told_) {
    log::warning("{} in {}: chunks are not kept for now, the store serves them", error.message,
                 folder_name_);
  }
  told_ = true;
  bool older = false;
  {
    const std::lock_guard lock(mutex_);
    older = segments_.size() > 1;
  }
  // A limit of the disk that we cannot see, as a quota.
  if (error.code == Code::kExhausted && older) evict_oldest(nullptr);
  const std::lock_guard lock(mutex_);
  if (current_ && current_->bytes() == 0) {
    current_->remove();
    segments_.erase(current_->number());
    current_.reset();
  }
}

void DiskCache::count(std::map<std::string, uint64_t>& counters) const {
  const uint64_t limit = limit_now();
  counters["cache.hits"] = hits_;
  counters["cache.misses"] = misses_;
  counters["cache.bytes_written"] = written_bytes_;
  counters["cache.dropped"] = dropped_;
  counters["cache.evicted"] = evicted_;
  counters["cache.bytes_evicted"] = evicted_bytes_;
  counters["cache.damaged"] = damaged_;
  counters["cache.bytes_max"] = limit;
  const std::lock_guard lock(mutex_);
  counters["cache.chunks"] = index_.count();
  counters["cache.bytes"] = bytes_;
  counters["memory.cache_index_bytes"] = index_.bytes();
}

}  // namespace devrun::volume
