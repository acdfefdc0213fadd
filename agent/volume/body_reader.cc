#include "agent/volume/body_reader.h"

#include <fmt/format.h>

#include <algorithm>

#include "common/tree/codec.h"
#include "common/tree/paths.h"

namespace devrun::volume {

namespace {

constexpr unsigned kPrefetchesMax = 32;
constexpr uint64_t kPrefetchUnitBytes = 128 << 10;  // a whole chunk weighs 8: four of those at once
constexpr int kTriesMax = 2;                        // before bytes count as wrong
// Verified on the spot: less work than waking a thread.
constexpr size_t kVerifyHereBytesMax = 16 << 10;
constexpr unsigned kThreadsMax = 8;

Error damaged(const std::string& path, std::string_view why) {
  return Error{Code::kCorrupt, fmt::format("{} in the store is damaged: {}", path, why), {}};
}

unsigned weight_of(uint64_t bytes) {
  return static_cast<unsigned>(1 + (bytes - 1) / kPrefetchUnitBytes);
}

}  // namespace

// A read until all its chunks are there.
struct BodyReader::Pending {
  Slices slices;
  Reply reply;
  std::atomic<size_t> missing;
  std::mutex mutex;
  std::optional<Error> error;

  Pending(size_t chunks, Reply to) : slices(chunks), reply(std::move(to)), missing(chunks) {}
  void landed(size_t place, uint64_t within, uint64_t size, const Result<Bytes>& bytes) {
    if (bytes) {
      slices[place] = {*bytes, std::string_view(**bytes).substr(within, size)};
    } else {
      const std::lock_guard lock(mutex);
      error = bytes.error();
    }
    if (--missing > 0) return;
    if (error) {
      reply(std::move(*error));
    } else {
      reply(std::move(slices));
    }
  }
};

uint64_t BodyReader::Chunk::count() const {
  return (file_size + tree::kChunkBytes - 1) / tree::kChunkBytes;
}

uint64_t BodyReader::Chunk::size() const {
  if (index == ChunkKey::kList) return count() * sizeof(Digest::bytes);
  return std::min(tree::kChunkBytes, file_size - index * tree::kChunkBytes);
}

std::string BodyReader::Chunk::path() const {
  return index == ChunkKey::kList ? tree::chunk_list_path(body) : tree::body_path(body);
}

BodyReader::BodyReader(ObjectStore& store, DiskCache* disk, uint64_t memory_bytes_max)
    : store_(store),
      disk_(disk),
      memory_bytes_max_(memory_bytes_max),
      pool_(std::clamp(std::thread::hardware_concurrency(), 2u, kThreadsMax)) {}

BodyReader::~BodyReader() {
  store_.close();
  std::unique_lock lock(mutex_);
  landed_.wait(lock, [this] { return under_way_ == 0; });
}

void BodyReader::read(const tree::Body& body, uint64_t file_size, uint64_t offset, uint64_t size,
                      Reply reply) {
  if (offset >= file_size || size == 0) return reply(Slices{});
  size = std::min(size, file_size - offset);
  if (body.kind == tree::BodyKind::kInline) {
    if (body.id.size() != file_size) return reply(damaged("an inline body", "of another size"));
    const auto whole = std::make_shared<const std::string>(body.id);
    return reply(Slices{{whole, std::string_view(*whole).substr(offset, size)}});
  }
  const auto first = static_cast<uint32_t>(offset / tree::kChunkBytes);
  const auto end = static_cast<uint32_t>((offset + size - 1) / tree::kChunkBytes + 1);
  const auto pending = std::make_shared<Pending>(end - first, std::move(reply));
  for (uint32_t index = first; index < end; ++index) {
    const uint64_t within = index == first ? offset % tree::kChunkBytes : 0;
    const uint64_t part = std::min(tree::kChunkBytes - within, size);
    size -= part;
    want({body, file_size, index}, Priority::kDemand,
         [pending, place = index - first, within, part](const Result<Bytes>& bytes) {
           pending->landed(place, within, part, bytes);
         });
  }
  look_ahead(body, file_size, first, end);
}

Result<BodyReader::Slices> BodyReader::read(const tree::Body& body, uint64_t file_size,
                                            uint64_t offset, uint64_t size) {
  struct Answer {
    std::mutex mutex;
    std::condition_variable here;
    std::optional<Result<Slices>> slices;
  };
  const auto answer = std::make_shared<Answer>();
  read(body, file_size, offset, size, [answer](Result<Slices> slices) {
    const std::lock_guard lock(answer->mutex);
    answer->slices = std::move(slices);
    answer->here.notify_one();
  });
  std::unique_lock lock(answer->mutex);
  answer->here.wait(lock, [&] { return answer->slices.has_value(); });
  return std::move(*answer->slices);
}

void BodyReader::hashes(const tree::Body& body, uint64_t file_size,
                        std::function<void(const Result<Bytes>&)> reply) {
  const Chunk list{body, file_size, ChunkKey::kList};
  if (body.kind != tree::BodyKind::kChunked || list.count() <= 1) {
    return reply(std::make_shared<const std::string>());
  }
  want(list, Priority::kDemand, std::move(reply));
}

void BodyReader::look_ahead(const tree::Body& body, uint64_t file_size, uint32_t first,
                            uint32_t end) {
  const Chunk whole{body, file_size, 0};
  const auto chunks = static_cast<uint32_t>(whole.count());
  if (chunks <= 2) return;
  LookAhead::Chunks next;
  {
    const std::lock_guard lock(mutex_);
    next = look_ahead_.on_read(whole.key(), first, end, chunks);
  }
  for (uint32_t index = next.first; index < next.end; ++index) {
    ahead_ += 1;
    want({body, file_size, index}, Priority::kReadAhead, {});
  }
}

Status BodyReader::warm(const tree::Body& body, uint64_t file_size, uint64_t offset, uint64_t size,
                        const std::stop_token& stop, Slices* slices) {
  if (offset >= file_size || size == 0) return ok();
  if (body.kind == tree::BodyKind::kInline) {
    if (slices != nullptr) *slices = TRY(read(body, file_size, offset, size));
    return ok();
  }
  const uint64_t end = offset + std::min(size, file_size - offset);
  const uint64_t last = end - 1;
  for (uint64_t at = offset / tree::kChunkBytes; at <= last / tree::kChunkBytes; ++at) {
    const Chunk chunk{body, file_size, static_cast<uint32_t>(at)};
    if (slices == nullptr && is_here(chunk.key())) continue;
    const unsigned weight = weight_of(chunk.size());
    struct Answer {
      bool here = false;
      Result<Bytes> bytes = Bytes{};
    };
    const auto answer = std::make_shared<Answer>();
    std::unique_lock lock(mutex_);
    // Not yet a flight: a demand read of the chunk would have to wait for it.
    prefetched_.wait(lock, stop, [&] { return prefetches_ + weight <= kPrefetchesMax; });
    if (stop.stop_requested()) return Error{Code::kCancelled, "the prefetch has ended", {}};
    prefetches_ += weight;
    lock.unlock();
    want(chunk, Priority::kPrefetch, [this, answer, weight](const Result<Bytes>& bytes) {
      const std::lock_guard landing(mutex_);
      prefetches_ -= weight;
      answer->here = true;
      answer->bytes = bytes;
      prefetched_.notify_all();
    });
    lock.lock();
    prefetched_.wait(lock, stop, [&] { return answer->here; });
    if (!answer->here) return Error{Code::kCancelled, "the prefetch has ended", {}};
    const Bytes bytes = TRY(answer->bytes);
    if (slices == nullptr) continue;
    const uint64_t begins = at * tree::kChunkBytes;
    const uint64_t from = std::max(offset, begins) - begins;
    const uint64_t to = std::min(end - begins, tree::kChunkBytes);
    slices->push_back({bytes, std::string_view(*bytes).substr(from, to - from)});
  }
  return ok();
}

bool BodyReader::is_here(const ChunkKey& key) const {
  if (disk_ != nullptr && disk_->holds(key)) return true;
  const std::lock_guard lock(mutex_);
  return held_.contains(key);
}

void BodyReader::want(const Chunk& chunk, Priority priority, Landing landing) {
  const ChunkKey key = chunk.key();
  Bytes here;
  {
    const std::lock_guard lock(mutex_);
    here = remembered(key);
    if (!here) {
      const auto [flight, is_new] = flights_.try_emplace(key);
      if (landing) flight->second.landings.push_back(std::move(landing));
      if (!is_new) return;
      under_way_ += 1;
    }
  }
  if (!here) return begin(chunk, priority);
  if (priority == Priority::kDemand) hits_ += 1;
  if (landing) landing(here);
}

// A demand read does what it can do at once on its own thread; nobody waits for what is read ahead.
void BodyReader::begin(const Chunk& chunk, Priority priority) {
  const auto look = [this, chunk, priority] {
    if (disk_ != nullptr && disk_->holds(chunk.key())) {
      if (Bytes kept = disk_->get(chunk.key()); kept && kept->size() == chunk.size()) {
        return land(chunk, std::move(kept), false);
      }
    }
    fetch(chunk, priority);
  };
  if (priority == Priority::kReadAhead) {
    pool_.post(false, look);
  } else {
    look();
  }
}

void BodyReader::fetch(const Chunk& chunk, Priority priority) {
  if (chunk.index == ChunkKey::kList) {
    return ask_list(chunk, priority, std::make_shared<std::string>());
  }
  if (chunk.body.kind == tree::BodyKind::kProvisional || chunk.count() == 1) {
    return ask(chunk, priority, std::nullopt, 1);
  }
  Chunk list = chunk;
  list.index = ChunkKey::kList;
  want(list, priority, [this, chunk, priority](const Result<Bytes>& hashes) {
    if (!hashes) return land(chunk, hashes.error(), false);
    constexpr size_t kBytes = sizeof(Digest::bytes);
    const std::string_view own = std::string_view(**hashes).substr(chunk.index * kBytes, kBytes);
    ask(chunk, priority, Digest::from_bytes(own), 1);
  });
}

void BodyReader::ask(const Chunk& chunk, Priority priority, const std::optional<Digest>& wanted,
                     int tries) {
  store_.start({chunk.path(), chunk.index * tree::kChunkBytes, chunk.size(), priority},
               [this, chunk, priority, wanted, tries](Result<std::string> bytes) {
                 if (!bytes || bytes->size() <= kVerifyHereBytesMax) {
                   return arrived(chunk, priority, wanted, tries, std::move(bytes));
                 }
                 auto held = std::make_shared<std::string>(std::move(*bytes));
                 pool_.post(priority == Priority::kDemand,
                            [this, chunk, priority, wanted, tries, held] {
                              arrived(chunk, priority, wanted, tries, std::move(*held));
                            });
               });
}

void BodyReader::arrived(const Chunk& chunk, Priority priority, const std::optional<Digest>& wanted,
                         int tries, Result<std::string> bytes) {
  if (!bytes) return land(chunk, std::move(bytes).error(), false);
  fetches_ += 1;
  bytes_fetched_ += bytes->size();
  if (bytes->size() != chunk.size()) {
    return land(chunk, damaged(chunk.path(), "shorter than the file"), false);
  }
  if (chunk.body.kind != tree::BodyKind::kProvisional) {
    const Digest found = tree::sha256(*bytes);
    const bool right =
        wanted ? found == *wanted : tree::sha256(found.view()).view() == chunk.body.id;
    if (!right) {
      mismatches_ += 1;
      if (tries < kTriesMax) return ask(chunk, priority, wanted, tries + 1);
      return land(
          chunk,
          damaged(chunk.path(), fmt::format("chunk {} does not match its hash", chunk.index)),
          false);
    }
  }
  land(chunk, std::make_shared<const std::string>(std::move(*bytes)), true);
}

// In pieces, one after the other: only files of more than 32 GiB have more than one.
void BodyReader::ask_list(const Chunk& list, Priority priority,
                          const std::shared_ptr<std::string>& so_far) {
  const uint64_t part =
      std::min<uint64_t>(list.size() - so_far->size(), ObjectStore::kStartBytesMax);
  store_.start({list.path(), so_far->size(), part, priority},
               [this, list, priority, so_far, part](const Result<std::string>& bytes) {
                 if (!bytes) return land(list, bytes.error(), false);
                 so_far->append(*bytes);
                 if (bytes->size() == part && so_far->size() < list.size()) {
                   return ask_list(list, priority, so_far);
                 }
                 fetches_ += 1;
                 if (so_far->size() != list.size()) {
                   return land(list, damaged(list.path(), "of another length than the file's"),
                               false);
                 }
                 if (tree::sha256(*so_far).view() != list.body.id) {
                   mismatches_ += 1;
                   return land(list, damaged(list.path(), "it does not match its hash"), false);
                 }
                 land(list, std::make_shared<const std::string>(std::move(*so_far)), true);
               });
}

void BodyReader::land(const Chunk& chunk, Result<Bytes> bytes, bool fresh) {
  const ChunkKey key = chunk.key();
  // Before the flight ends, so that there is no moment in which the chunk is nowhere.
  if (fresh && disk_ != nullptr) disk_->put(key, *bytes);
  std::vector<Landing> landings;
  {
    const std::lock_guard lock(mutex_);
    if (bytes) remember(key, *bytes);
    const auto flight = flights_.find(key);
    landings = std::move(flight->second.landings);
    flights_.erase(flight);
  }
  for (const Landing& landing : landings) landing(bytes);
  const std::lock_guard lock(mutex_);
  under_way_ -= 1;
  if (under_way_ == 0) landed_.notify_all();
}

BodyReader::Bytes BodyReader::remembered(const ChunkKey& key) {
  const auto held = held_.find(key);
  if (held == held_.end()) return nullptr;
  used_.splice(used_.begin(), used_, held->second.position);
  return held->second.bytes;
}

void BodyReader::remember(const ChunkKey& key, const Bytes& bytes) {
  if (bytes->size() > memory_bytes_max_ || held_.contains(key)) return;
  used_.push_front(key);
  held_.emplace(key, Held{bytes, used_.begin()});
  held_bytes_ += bytes->size();
  while (held_bytes_ > memory_bytes_max_) {
    const auto oldest = held_.find(used_.back());
    held_bytes_ -= oldest->second.bytes->size();
    held_.erase(oldest);
    used_.pop_back();
  }
}

void BodyReader::count(std::map<std::string, uint64_t>& counters) const {
  if (disk_ != nullptr) disk_->count(counters);
  const std::lock_guard lock(mutex_);
  counters["body.hits"] = hits_;
  counters["body.fetches"] = fetches_;
  counters["body.bytes_fetched"] = bytes_fetched_;
  counters["body.mismatches"] = mismatches_;
  counters["body.read_ahead"] = ahead_;
  counters["body.under_way"] = under_way_;
  counters["body.bytes_in_memory"] = held_bytes_;
}

}  // namespace devrun::volume
