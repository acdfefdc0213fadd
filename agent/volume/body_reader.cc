#include "agent/volume/body_reader.h"

#include <fmt/format.h>

#include <algorithm>

#include "common/tree/codec.h"
#include "common/tree/paths.h"

namespace devrun::volume {

namespace {

Error damaged(const std::string& path, std::string_view why) {
  return Error{Code::kCorrupt, fmt::format("{} in the store is damaged: {}", path, why), {}};
}

uint64_t chunk_size(uint64_t file_size, uint64_t index) {
  return std::min(tree::kChunkBytes, file_size - index * tree::kChunkBytes);
}

}  // namespace

Result<std::vector<Slice>> BodyReader::read(const tree::Body& body, uint64_t file_size,
                                            uint64_t offset, uint64_t size) {
  if (offset >= file_size) return std::vector<Slice>{};
  size = std::min(size, file_size - offset);
  if (body.kind == tree::BodyKind::kInline) {
    if (body.id.size() != file_size) return damaged("an inline body", "of another size");
    const auto whole = std::make_shared<const std::string>(body.id);
    return std::vector<Slice>{{whole, std::string_view(*whole).substr(offset, size)}};
  }
  if (body.kind == tree::BodyKind::kProvisional) return read_provisional(body, offset, size);
  std::vector<Slice> out;
  while (size > 0) {
    const uint64_t index = offset / tree::kChunkBytes;
    const uint64_t within = offset % tree::kChunkBytes;
    const Bytes bytes = TRY(chunk(body, file_size, index, Priority::kDemand));
    const std::string_view part = std::string_view(*bytes).substr(within, size);
    out.push_back({bytes, part});
    offset += part.size();
    size -= part.size();
  }
  return out;
}

Status BodyReader::warm(const tree::Body& body, uint64_t file_size, uint64_t offset, uint64_t size,
                        const std::stop_token& stop) {
  if (offset >= file_size || body.kind == tree::BodyKind::kInline) return ok();
  if (body.kind == tree::BodyKind::kProvisional) {
    return Error{Code::kUnsupported, "a provisional body is not kept", {}};
  }
  const uint64_t end = offset + std::min(size, file_size - offset);
  for (uint64_t at = offset; at < end; at = (at / tree::kChunkBytes + 1) * tree::kChunkBytes) {
    {
      // Not yet a flight: a demand read of the chunk would have to wait for it.
      std::unique_lock lock(mutex_);
      prefetched_.wait(lock, stop, [this] { return prefetches_ < kPrefetchesMax; });
      if (stop.stop_requested()) {
        return Error{Code::kCancelled, "the prefetch has ended", {}};
      }
      prefetches_ += 1;
    }
    const Result<Bytes> fetched =
        chunk(body, file_size, at / tree::kChunkBytes, Priority::kPrefetch);
    {
      const std::lock_guard lock(mutex_);
      prefetches_ -= 1;
    }
    prefetched_.notify_one();
    if (!fetched) return fetched.error();
  }
  return ok();
}

Result<std::vector<Slice>> BodyReader::read_provisional(const tree::Body& body, uint64_t offset,
                                                        uint64_t size) {
  const std::string path = tree::body_path(body);
  auto bytes =
      std::make_shared<const std::string>(TRY(store_.read_range(path, offset, size, std::nullopt)));
  fetches_ += 1;
  if (bytes->size() != size) return damaged(path, "shorter than the file");
  return std::vector<Slice>{{bytes, *bytes}};
}

Result<BodyReader::Bytes> BodyReader::chunk(const tree::Body& body, uint64_t file_size,
                                            uint64_t index, Priority priority) {
  const std::string key = fmt::format("{}#{}", body.id, index);
  return once(key, [&] { return fetch_chunk(body, file_size, index, priority); });
}

Result<std::string> BodyReader::fetch_chunk(const tree::Body& body, uint64_t file_size,
                                            uint64_t index, Priority priority) {
  const uint64_t chunks = (file_size + tree::kChunkBytes - 1) / tree::kChunkBytes;
  Digest wanted;
  if (chunks > 1) {
    const Bytes list =
        TRY(once(body.id + "#list", [&] { return fetch_chunk_list(body, chunks, priority); }));
    wanted = *Digest::from_bytes(
        std::string_view(*list).substr(index * wanted.bytes.size(), wanted.bytes.size()));
  }
  const std::string path = tree::body_path(body);
  const uint64_t size = chunk_size(file_size, index);
  std::string bytes =
      TRY(store_.read_range(path, index * tree::kChunkBytes, size, std::nullopt, priority));
  if (bytes.size() != size) return damaged(path, "shorter than the file");
  const Digest found = tree::sha256(bytes);
  const bool right = chunks > 1 ? found == wanted : tree::sha256(found.view()).view() == body.id;
  if (!right) {
    mismatches_ += 1;
    return damaged(path, fmt::format("chunk {} does not match its hash", index));
  }
  return bytes;
}

Result<std::string> BodyReader::fetch_chunk_list(const tree::Body& body, uint64_t chunks,
                                                 Priority priority) {
  const std::string path = tree::chunk_list_path(body);
  const uint64_t size = chunks * sizeof(Digest::bytes);
  std::string list = TRY(store_.read_whole(path, size, std::nullopt, priority));
  if (list.size() != size) return damaged(path, "of another length than the file's");
  if (tree::sha256(list).view() != body.id) {
    mismatches_ += 1;
    return damaged(path, "it does not match its hash");
  }
  return list;
}

Result<BodyReader::Bytes> BodyReader::once(const std::string& key, const Fetch& fetch) {
  std::unique_lock lock(mutex_);
  if (const auto held = held_.find(key); held != held_.end()) {
    used_.splice(used_.begin(), used_, held->second.position);
    hits_ += 1;
    return held->second.bytes;
  }
  if (const auto found = flights_.find(key); found != flights_.end()) {
    const std::shared_ptr<Flight> flight = found->second;
    landed_.wait(lock, [&] { return flight->done; });
    return flight->bytes;
  }
  const auto flight = std::make_shared<Flight>();
  flights_.emplace(key, flight);
  lock.unlock();
  Result<std::string> fetched = fetch();
  lock.lock();
  fetches_ += 1;
  flight->done = true;
  flights_.erase(key);
  if (fetched) {
    flight->bytes = std::make_shared<const std::string>(std::move(*fetched));
    remember(key, *flight->bytes);
  } else {
    flight->bytes = std::move(fetched).error();
  }
  landed_.notify_all();
  return flight->bytes;
}

void BodyReader::remember(const std::string& key, const Bytes& bytes) {
  if (bytes->size() > memory_bytes_max_) return;
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
  const std::lock_guard lock(mutex_);
  counters["body.hits"] = hits_;
  counters["body.fetches"] = fetches_;
  counters["body.mismatches"] = mismatches_;
  counters["body.bytes_in_memory"] = held_bytes_;
}

}  // namespace devrun::volume
