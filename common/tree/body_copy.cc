#include "common/tree/body_copy.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <functional>
#include <memory>

#include "common/tree/codec.h"
#include "common/tree/holes.h"

namespace devrun::tree {

namespace {

constexpr size_t kHashBytes = 32;
constexpr size_t kZeroBlockBytes = 64 << 10;

// Up to `bytes`, less only at the end of the file.
Result<size_t> read_at(int file, char* out, size_t bytes, uint64_t offset) {
  size_t done = 0;
  while (done < bytes) {
    const ssize_t n = ::pread(file, out + done, bytes - done, static_cast<off_t>(offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno_error("read", errno);
    if (n == 0) break;
    done += static_cast<size_t>(n);
  }
  return done;
}

Status write_at(int file, std::string_view data, uint64_t offset) {
  while (!data.empty()) {
    const ssize_t n = ::pwrite(file, data.data(), data.size(), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno_error("write", errno);
    data.remove_prefix(static_cast<size_t>(n));
    offset += static_cast<uint64_t>(n);
  }
  return ok();
}

Error shorter_than_expected() {
  return Error{Code::kConflict, "the file is shorter than its size", {}};
}

bool is_zero(std::string_view data) {
  return data.front() == 0 && std::memcmp(data.data(), data.data() + 1, data.size() - 1) == 0;
}

// `take` gets each chunk that is no hole, with its offset.
using Taker = std::function<Status(std::string_view, uint64_t)>;

Result<std::string> each_chunk(int file, uint64_t size, const Taker& take) {
  thread_local const auto buffer = std::make_unique<char[]>(kChunkBytes);
  Holes holes(file, size);
  std::string out;
  out.reserve((size / kChunkBytes + 1) * kHashBytes);
  for (uint64_t at = 0; at < size; at += kChunkBytes) {
    const auto bytes = static_cast<size_t>(std::min(kChunkBytes, size - at));
    if (bytes == kChunkBytes && holes.at(at) >= bytes) {
      out.append(hash_of_zero_chunk());
      continue;
    }
    if (TRY(read_at(file, buffer.get(), bytes, at)) != bytes) return shorter_than_expected();
    const std::string_view chunk(buffer.get(), bytes);
    out.append(sha256(chunk).view());
    TRY(take(chunk, at));
  }
  return out;
}

}  // namespace

std::string_view hash_of_zero_chunk() {
  static const std::string hash(sha256(std::string(kChunkBytes, '\0')).view());
  return hash;
}

Status write_sparsely(int file, std::string_view data, uint64_t offset) {
  for (size_t at = 0; at < data.size(); at += kZeroBlockBytes) {
    const std::string_view block = data.substr(at, kZeroBlockBytes);
    if (!is_zero(block)) TRY(write_at(file, block, offset + at));
  }
  return ok();
}

Result<std::string> read_start(int file, uint64_t size) {
  std::string out(static_cast<size_t>(size), '\0');
  if (TRY(read_at(file, out.data(), out.size(), 0)) != size) return shorter_than_expected();
  return out;
}

Result<std::string> hash_chunks(int file, uint64_t size, const std::function<bool()>& stopping) {
  return each_chunk(file, size, [&](std::string_view, uint64_t) -> Status {
    if (stopping && stopping()) return Error{Code::kCancelled, "stopped", {}};
    return ok();
  });
}

Result<std::string> copy_chunks(int file, uint64_t size, int copy) {
  std::string out = TRY(each_chunk(file, size, [&](std::string_view chunk, uint64_t at) {
    return write_sparsely(copy, chunk, at);
  }));
  if (::ftruncate(copy, static_cast<off_t>(size)) != 0) return errno_error("size a body", errno);
  return out;
}

Body chunked_body(std::string_view chunk_hashes) {
  return {BodyKind::kChunked, std::string(sha256(chunk_hashes).view())};
}

}  // namespace devrun::tree
