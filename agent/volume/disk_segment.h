// One file of the disk cache: records one after another, each a header of 64 bytes (key, size, checksums) and a
// chunk's bytes, and behind the last one, once the segment is full, a table of them all.
//
// Records are written past the page cache where the file system can (O_DIRECT), in blocks of 4 KiB: what a node reads
// lies in the page cache of its mounts already, and filling memory with it twice costs more than the disk does.
//
// Nothing is ever written over or synced. After a crash a segment without its table is read from header to header up
// to the first that is not whole; a record whose bytes did not reach the disk fails its checksum when it is read.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "agent/volume/chunk_key.h"
#include "common/base/result.h"
#include "common/runtime/fd.h"

namespace devrun::volume {

class DiskSegment {
 public:
  using Bytes = std::shared_ptr<const std::string>;
  struct Chunk {
    ChunkKey key;
    Bytes bytes;
  };
  struct Record {
    uint64_t hash = 0;    // of its key
    uint32_t offset = 0;  // of its header
    uint32_t size = 0;    // of its bytes
  };

  // Memory for append(), kept between calls: fresh pages cost more than the copying.
  class Buffer {
   public:
    Buffer() = default;
    ~Buffer();
    Buffer(const Buffer&) = delete;
    Buffer& operator=(const Buffer&) = delete;
    char* take(size_t bytes);  // aligned for O_DIRECT; valid until the next call

   private:
    char* bytes_ = nullptr;
    size_t size_ = 0;
  };
  static constexpr uint64_t kBlockBytes = 4096;  // appended at once: a multiple of it

  // What a chunk of so many bytes takes, but for filling up a block.
  static uint64_t bytes_taken(uint64_t size);

  static Result<std::shared_ptr<DiskSegment>> create(int folder, uint32_t number);
  // An older process's; with its table if it lacks one.
  static Result<std::shared_ptr<DiskSegment>> open(int folder, uint32_t number);
  static std::optional<uint32_t> number_of(const std::string& file_name);

  // Behind the last record, in one call to the kernel. After an error nothing of them counts.
  Status append(std::span<const Chunk> chunks, Buffer& buffer, std::vector<Record>& records);
  // Writes the table; nothing is appended afterwards.
  Status seal();

  // The bytes, if the record is that chunk's and whole. kCorrupt, or what the disk said. Any thread.
  Result<Bytes> read(const ChunkKey& key, uint32_t offset, uint32_t size) const;
  // The same, for who does not know the key.
  Result<Chunk> read_any(const Record& record) const;
  // Of a sealed segment, from its table.
  Result<std::vector<Record>> records() const;

  void remove();  // the file's name; its bytes go with the last reader
  uint32_t number() const { return number_; }
  uint64_t bytes() const { return end_; }

 private:
  DiskSegment(int folder, uint32_t number, UniqueFd fd)
      : folder_(folder), number_(number), fd_(std::move(fd)) {}
  Result<std::vector<Record>> scan(uint64_t& end) const;

  const int folder_;  // outlives us
  const uint32_t number_;
  const UniqueFd fd_;
  UniqueFd direct_;               // for append(); none: the file system cannot
  uint64_t end_ = 0;              // of the records; of the file, when it is sealed
  std::vector<Record> appended_;  // until it is sealed
};

}  // namespace devrun::volume
