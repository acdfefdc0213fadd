#include "controller/storage/body_check.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <memory>

#include "common/tree/codec.h"

namespace devrun::storage {

Status check_body(int file, uint64_t size, const tree::Body& body) {
  struct stat st {};
  if (::fstat(file, &st) != 0) return errno_error("stat", errno);
  if (static_cast<uint64_t>(st.st_size) != size) {
    return Error{
        Code::kCorrupt, fmt::format("it has {} bytes instead of {}", st.st_size, size), {}};
  }
  if (body.kind != tree::BodyKind::kChunked) return ok();
  const auto buffer = std::make_unique<char[]>(tree::kChunkBytes);
  std::string hashes;
  for (uint64_t at = 0; at < size; at += tree::kChunkBytes) {
    const auto wanted = static_cast<size_t>(std::min(tree::kChunkBytes, size - at));
    for (size_t done = 0; done < wanted;) {
      const ssize_t n =
          ::pread(file, buffer.get() + done, wanted - done, static_cast<off_t>(at + done));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return errno_error("read", errno);
      if (n == 0) return Error{Code::kCorrupt, "it grew shorter while it was read", {}};
      done += static_cast<size_t>(n);
    }
    hashes.append(tree::sha256({buffer.get(), wanted}).view());
  }
  if (tree::sha256(hashes).view() == body.id) return ok();
  return Error{Code::kCorrupt, "its bytes do not match its hash", {}};
}

}  // namespace devrun::storage
