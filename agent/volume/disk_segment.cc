#include "agent/volume/disk_segment.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <climits>
#include <cstring>

#include "agent/volume/crc32c.h"
#include "common/base/check.h"

namespace devrun::volume {

namespace {

constexpr uint64_t kAlign = 64;
constexpr uint32_t kRecordMagic = 0x31637264;            // "drc1"
constexpr uint64_t kTableMagic = 0x31656c6261746364ULL;  // "dctable1"
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

Status write_exactly(int fd, std::vector<iovec>& parts, uint64_t offset) {
  for (size_t at = 0; at < parts.size();) {
    const size_t count = std::min<size_t>(parts.size() - at, IOV_MAX);
    const ssize_t n =
        ::pwritev(fd, &parts[at], static_cast<int>(count), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno_error("write the cache", errno);
    if (n == 0) return Error{Code::kExhausted, "write the cache: no space left", {}};
    offset += static_cast<uint64_t>(n);
    for (auto left = static_cast<size_t>(n); left > 0;) {
      iovec& part = parts[at];
      const size_t taken = std::min(left, part.iov_len);
      part.iov_base = static_cast<char*>(part.iov_base) + taken;
      part.iov_len -= taken;
      left -= taken;
      if (part.iov_len == 0) ++at;
    }
    while (at < parts.size() && parts[at].iov_len == 0) ++at;
  }
  return ok();
}

iovec part_of(const void* bytes, size_t size) {
  return {const_cast<void*>(bytes), size};
}

}  // namespace

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
  return std::shared_ptr<DiskSegment>(new DiskSegment(folder, number, std::move(fd)));
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
  out->appended_ = TRY(out->scan());
  const Record last = out->appended_.empty() ? Record{} : out->appended_.back();
  out->end_ = out->appended_.empty() ? 0 : last.offset + sizeof(Header) + aligned(last.size);
  if (::ftruncate(out->fd_.get(), static_cast<off_t>(out->end_)) != 0) {
    return errno_error(fmt::format("mend {} of the cache", name), errno);
  }
  TRY(out->seal());
  return out;
}

Result<std::vector<DiskSegment::Record>> DiskSegment::scan() const {
  std::vector<Record> out;
  for (uint64_t at = 0; at + sizeof(Header) <= end_;) {
    Header header;
    iovec part = part_of(&header, sizeof header);
    TRY(read_exactly(fd_.get(), {&part, 1}, at));
    if (!header.is_whole() || at + sizeof header + header.size > end_) break;
    out.push_back({header.key.hash(), static_cast<uint32_t>(at), header.size});
    at += sizeof header + aligned(header.size);
  }
  return out;
}

Status DiskSegment::append(std::span<const Chunk> chunks, std::vector<Record>& records) {
  static constexpr char kZeros[kAlign] = {};
  std::vector<Header> headers(chunks.size());
  std::vector<iovec> parts;
  parts.reserve(chunks.size() * 3);
  const size_t before = records.size();
  uint64_t at = end_;
  for (size_t i = 0; i < chunks.size(); ++i) {
    const std::string& bytes = *chunks[i].bytes;
    Header& header = headers[i];
    header.size = static_cast<uint32_t>(bytes.size());
    header.key = chunks[i].key;
    header.bytes_crc = crc32c(bytes);
    header.header_crc = header.own_crc();
    parts.push_back(part_of(&header, sizeof header));
    parts.push_back(part_of(bytes.data(), bytes.size()));
    parts.push_back(part_of(kZeros, aligned(bytes.size()) - bytes.size()));
    records.push_back({header.key.hash(), static_cast<uint32_t>(at), header.size});
    at += sizeof header + aligned(bytes.size());
  }
  if (Status written = write_exactly(fd_.get(), parts, end_); !written) {
    records.resize(before);
    // Gives the space back; what stays is not counted, and the next append lies over it.
    [[maybe_unused]] const int cut = ::ftruncate(fd_.get(), static_cast<off_t>(end_));
    return written;
  }
  appended_.insert(appended_.end(), records.begin() + static_cast<ptrdiff_t>(before),
                   records.end());
  end_ = at;
  return ok();
}

Status DiskSegment::seal() {
  const std::string_view table(reinterpret_cast<const char*>(appended_.data()),
                               appended_.size() * sizeof(Record));
  Trailer trailer;
  trailer.records = static_cast<uint32_t>(appended_.size());
  trailer.table_crc = crc32c(table);
  std::vector<iovec> parts{part_of(table.data(), table.size()), part_of(&trailer, sizeof trailer)};
  TRY(write_exactly(fd_.get(), parts, end_));
  end_ += table.size() + sizeof trailer;
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
