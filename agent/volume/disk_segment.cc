#include "agent/volume/disk_segment.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>

#include "agent/volume/crc32c.h"
#include "common/base/check.h"

namespace devrun::volume {

namespace {

constexpr uint64_t kAlign = 64;
constexpr uint32_t kRecordMagic = 0x31637264;            // "drc1"
constexpr uint64_t kTableMagic = 0x31656c6261746364ULL;  // "dctable1"
constexpr uint32_t kFilling = 0xffffffff;                // as kind: no chunk, up to the next block
constexpr std::string_view kSuffix = ".chunks";
constexpr size_t kNumberDigits = 10;
constexpr uint64_t kChunkBytesMax = uint64_t{64} << 20;  // lists of hashes of large files are long

struct Header {
  uint32_t magic = kRecordMagic;
  uint32_t size = 0;
  ChunkKey key;
  uint32_t bytes_crc = 0;
  uint32_t reserved[2] = {};
  uint32_t header_crc = 0;  // of all before it

  uint32_t own_crc() const {
    return crc32c({reinterpret_cast<const char*>(this), sizeof(Header) - sizeof header_crc});
  }
  bool is_whole() const {
    return magic == kRecordMagic && size <= kChunkBytesMax && header_crc == own_crc();
  }
};
static_assert(sizeof(Header) == kAlign);

struct Trailer {
  uint64_t magic = kTableMagic;
  uint32_t records = 0;
  uint32_t table_crc = 0;
};
static_assert(sizeof(DiskSegment::Record) == 16 && sizeof(Trailer) == 16);

uint64_t aligned(uint64_t size) {
  return (size + kAlign - 1) / kAlign * kAlign;
}

std::string name_of(uint32_t number) {
  return fmt::format("{:0{}}{}", number, kNumberDigits, kSuffix);
}

Status read_exactly(int fd, std::span<iovec> parts, uint64_t offset) {
  uint64_t wanted = 0;
  for (const iovec& part : parts) wanted += part.iov_len;
  for (;;) {
    const ssize_t n =
        ::preadv(fd, parts.data(), static_cast<int>(parts.size()), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno_error("read the cache", errno);
    if (static_cast<uint64_t>(n) == wanted) return ok();
    return Error{Code::kCorrupt, "a record of the cache is not whole", {}};
  }
}

Status write_exactly(int fd, std::string_view bytes, uint64_t offset) {
  while (!bytes.empty()) {
    const ssize_t n = ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno_error("write the cache", errno);
    if (n == 0) return Error{Code::kExhausted, "write the cache: no space left", {}};
    offset += static_cast<uint64_t>(n);
    bytes.remove_prefix(static_cast<size_t>(n));
  }
  return ok();
}

iovec part_of(const void* bytes, size_t size) {
  return {const_cast<void*>(bytes), size};
}

}  // namespace

DiskSegment::Buffer::~Buffer() {
  std::free(bytes_);
}

char* DiskSegment::Buffer::take(size_t bytes) {
  if (bytes > size_) {
    std::free(bytes_);
    size_ = bytes + bytes / 4 / kBlockBytes * kBlockBytes;
    bytes_ = static_cast<char*>(std::aligned_alloc(kBlockBytes, size_));
    CHECK(bytes_ != nullptr);
  }
  return bytes_;
}

uint64_t DiskSegment::bytes_taken(uint64_t size) {
  return sizeof(Header) + aligned(size) + sizeof(Record);
}

std::optional<uint32_t> DiskSegment::number_of(const std::string& file_name) {
  if (file_name.size() != kNumberDigits + kSuffix.size() || !file_name.ends_with(kSuffix))
    return std::nullopt;
  uint32_t out = 0;
  const auto [end, failed] =
      std::from_chars(file_name.data(), file_name.data() + kNumberDigits, out);
  if (failed != std::errc{} || end != file_name.data() + kNumberDigits) return std::nullopt;
  return out;
}

Result<std::shared_ptr<DiskSegment>> DiskSegment::create(int folder, uint32_t number) {
  const std::string name = name_of(number);
  UniqueFd fd(
      ::openat(folder, name.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd) return errno_error(fmt::format("make {} of the cache", name), errno);
  std::shared_ptr<DiskSegment> out(new DiskSegment(folder, number, std::move(fd)));
  out->direct_.reset(::openat(folder, name.c_str(), O_WRONLY | O_DIRECT | O_CLOEXEC | O_NOFOLLOW));
  return out;
}

Result<std::shared_ptr<DiskSegment>> DiskSegment::open(int folder, uint32_t number) {
  const std::string name = name_of(number);
  UniqueFd fd(::openat(folder, name.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW));
  if (!fd) return errno_error(fmt::format("open {} of the cache", name), errno);
  struct stat st {};
  if (::fstat(fd.get(), &st) != 0)
    return errno_error(fmt::format("stat {} of the cache", name), errno);
  std::shared_ptr<DiskSegment> out(new DiskSegment(folder, number, std::move(fd)));
  out->end_ = static_cast<uint64_t>(st.st_size);
  if (out->records()) return out;
  out->appended_ = TRY(out->scan(out->end_));
  if (::ftruncate(out->fd_.get(), static_cast<off_t>(out->end_)) != 0) {
    return errno_error(fmt::format("mend {} of the cache", name), errno);
  }
  TRY(out->seal());
  return out;
}

Result<std::vector<DiskSegment::Record>> DiskSegment::scan(uint64_t& end) const {
  std::vector<Record> out;
  uint64_t at = 0;
  while (at + sizeof(Header) <= end_) {
    Header header;
    iovec part = part_of(&header, sizeof header);
    TRY(read_exactly(fd_.get(), {&part, 1}, at));
    if (!header.is_whole() || at + sizeof header + header.size > end_) break;
    if (header.key.kind != kFilling) {
      out.push_back({header.key.hash(), static_cast<uint32_t>(at), header.size});
    }
    at += sizeof header + aligned(header.size);
  }
  end = std::min(at, end_);
  return out;
}

Status DiskSegment::append(std::span<const Chunk> chunks, Buffer& buffer,
                           std::vector<Record>& records) {
  uint64_t size = 0;
  for (const Chunk& chunk : chunks) size += sizeof(Header) + aligned(chunk.bytes->size());
  const uint64_t whole = (size + kBlockBytes - 1) / kBlockBytes * kBlockBytes;
  char* const out = buffer.take(whole);
  const size_t before = records.size();
  uint64_t at = 0;
  const auto add = [&](const ChunkKey& key, std::string_view bytes, uint64_t bytes_size) {
    Header header;
    header.size = static_cast<uint32_t>(bytes_size);
    header.key = key;
    header.bytes_crc = crc32c(bytes);
    header.header_crc = header.own_crc();
    std::memcpy(out + at, &header, sizeof header);
    at += sizeof header;
    std::memcpy(out + at, bytes.data(), bytes.size());
    std::memset(out + at + bytes.size(), 0, aligned(bytes_size) - bytes.size());
    at += aligned(bytes_size);
  };
  for (const Chunk& chunk : chunks) {
    records.push_back({chunk.key.hash(), static_cast<uint32_t>(end_ + at),
                       static_cast<uint32_t>(chunk.bytes->size())});
    add(chunk.key, *chunk.bytes, chunk.bytes->size());
  }
  if (whole > size) add(ChunkKey{.kind = kFilling}, {}, whole - size - sizeof(Header));
  const int fd = direct_ ? direct_.get() : fd_.get();
  if (Status written = write_exactly(fd, {out, whole}, end_); !written) {
    records.resize(before);
    // Gives the space back; what stays is not counted, and the next append lies over it.
    [[maybe_unused]] const int cut = ::ftruncate(fd_.get(), static_cast<off_t>(end_));
    return written;
  }
  appended_.insert(appended_.end(), records.begin() + static_cast<ptrdiff_t>(before),
                   records.end());
  end_ += whole;
  return ok();
}

Status DiskSegment::seal() {
  Trailer trailer;
  const size_t table = appended_.size() * sizeof(Record);
  std::string tail(table + sizeof trailer, '\0');
  std::memcpy(tail.data(), appended_.data(), table);
  trailer.records = static_cast<uint32_t>(appended_.size());
  trailer.table_crc = crc32c(std::string_view(tail).substr(0, table));
  std::memcpy(tail.data() + table, &trailer, sizeof trailer);
  TRY(write_exactly(fd_.get(), tail, end_));
  direct_.reset();
  end_ += tail.size();
  appended_ = {};
  return ok();
}

Result<std::vector<DiskSegment::Record>> DiskSegment::records() const {
  const Error none{Code::kCorrupt, "a segment of the cache has no table", {}};
  if (!appended_.empty()) return appended_;
  if (end_ < sizeof(Trailer)) return none;
  Trailer trailer;
  iovec last = part_of(&trailer, sizeof trailer);
  TRY(read_exactly(fd_.get(), {&last, 1}, end_ - sizeof trailer));
  const uint64_t bytes = uint64_t{trailer.records} * sizeof(Record);
  if (trailer.magic != kTableMagic || bytes > end_ - sizeof trailer) return none;
  std::vector<Record> out(trailer.records);
  iovec table = part_of(out.data(), bytes);
  TRY(read_exactly(fd_.get(), {&table, 1}, end_ - sizeof trailer - bytes));
  if (crc32c({reinterpret_cast<const char*>(out.data()), bytes}) != trailer.table_crc) return none;
  return out;
}

Result<DiskSegment::Chunk> DiskSegment::read_any(const Record& record) const {
  Header header;
  auto bytes = std::make_shared<std::string>(record.size, '\0');
  iovec parts[] = {part_of(&header, sizeof header), part_of(bytes->data(), bytes->size())};
  TRY(read_exactly(fd_.get(), parts, record.offset));
  if (!header.is_whole() || header.size != record.size || header.bytes_crc != crc32c(*bytes)) {
    return Error{Code::kCorrupt, "a record of the cache is damaged", {}};
  }
  return Chunk{header.key, std::move(bytes)};
}

Result<DiskSegment::Bytes> DiskSegment::read(const ChunkKey& key, uint32_t offset,
                                             uint32_t size) const {
  Chunk found = TRY(read_any({0, offset, size}));
  if (found.key == key) return std::move(found.bytes);
  return Error{Code::kNotFound, "another chunk of the same hash", {}};
}

void DiskSegment::remove() {
  ::unlinkat(folder_, name_of(number_).c_str(), 0);
}

}  // namespace devrun::volume
