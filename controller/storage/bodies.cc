#include "controller/storage/bodies.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <memory>

#include "common/base/check.h"
#include "common/runtime/fd.h"
#include "common/runtime/file.h"
#include "common/tree/codec.h"
#include "common/tree/paths.h"
#include "controller/storage/sync.h"

namespace devrun::storage {

namespace {

constexpr mode_t kContentMode = 0444;
constexpr size_t kHashBytes = 32;

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

Error shorter_than_expected() {
  return Error{Code::kIo, "the file is shorter than its size", {}};
}

bool exists_with_size(const std::string& path, uint64_t size) {
  struct stat st {};
  return ::stat(path.c_str(), &st) == 0 && static_cast<uint64_t>(st.st_size) == size;
}

// The concatenated hashes of the file's chunks.
Result<std::string> hash_chunks(int file, uint64_t size) {
  thread_local const auto buffer = std::make_unique<char[]>(tree::kChunkBytes);
  std::string out;
  out.reserve((size / tree::kChunkBytes + 1) * kHashBytes);
  for (uint64_t at = 0; at < size; at += tree::kChunkBytes) {
    const auto bytes = static_cast<size_t>(std::min(tree::kChunkBytes, size - at));
    if (TRY(read_at(file, buffer.get(), bytes, at)) != bytes) return shorter_than_expected();
    out.append(tree::sha256({buffer.get(), bytes}).view());
  }
  return out;
}

// Where a clone is not possible (chattr +C, say): a plain copy, synced while its name is still
// temporary.
Status copy_content(int file, uint64_t size, const std::string& path) {
  const std::string temporary = fmt::format("{}.new.{}", path, ::gettid());
  const UniqueFd out =
      TRY(open_file(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, kContentMode));
  const auto fail = [&](Error error) {
    ::unlink(temporary.c_str());
    return error;
  };
  const auto buffer = std::make_unique<char[]>(tree::kChunkBytes);
  for (uint64_t at = 0; at < size;) {
    const Result<size_t> n = read_at(file, buffer.get(), tree::kChunkBytes, at);
    if (!n) return fail(n.error());
    if (*n == 0) return fail(shorter_than_expected());
    if (Status wrote = write_all(out.get(), {buffer.get(), *n}); !wrote) return fail(wrote.error());
    at += *n;
  }
  if (::fsync(out.get()) != 0) return fail(errno_error("fsync a body", errno));
  if (::rename(temporary.c_str(), path.c_str()) != 0)
    return fail(errno_error("name a body", errno));
  return ok();
}

}  // namespace

Bodies::Bodies(std::string export_path) : export_path_(std::move(export_path)) {}

Result<tree::Body> Bodies::put(int file, uint64_t size) {
  tree::Body body;
  if (size == 0) return body;
  if (size <= tree::kInlineBytesMax) {
    body.id.resize(static_cast<size_t>(size));
    if (TRY(read_at(file, body.id.data(), body.id.size(), 0)) != size) {
      return shorter_than_expected();
    }
    return body;
  }
  const std::string chunk_hashes = TRY(hash_chunks(file, size));
  body = {tree::BodyKind::kChunked, std::string(tree::sha256(chunk_hashes).view())};
  TRY(place(file, size, body, chunk_hashes));
  return body;
}

Status Bodies::place(int file, uint64_t size, const tree::Body& body,
                     const std::string& chunk_hashes) {
  const std::string path = fmt::format("{}/{}", export_path_, tree::body_path(body));
  if (chunk_hashes.size() > kHashBytes) {
    TRY(place_chunk_list(fmt::format("{}/{}", export_path_, tree::chunk_list_path(body)),
                         chunk_hashes));
  }
  if (exists_with_size(path, size)) return ok();
  const std::string folder = path.substr(0, path.rfind('/'));
  const UniqueFd content = TRY(open_file(folder, O_TMPFILE | O_RDWR, kContentMode));
  if (::ioctl(content.get(), FICLONE, file) != 0) return copy_content(file, size, path);
  const std::string self = fmt::format("/proc/self/fd/{}", content.get());
  if (::linkat(AT_FDCWD, self.c_str(), AT_FDCWD, path.c_str(), AT_SYMLINK_FOLLOW) == 0) return ok();
  if (errno != EEXIST) return errno_error("name a body", errno);
  // Another thread was faster; anything of another size is damage, and is replaced.
  return exists_with_size(path, size) ? ok() : copy_content(file, size, path);
}

Status Bodies::place_chunk_list(const std::string& path, const std::string& chunk_hashes) {
  if (exists_with_size(path, chunk_hashes.size())) return ok();
  TRY(write_file_atomically(path, chunk_hashes, kContentMode));
  const std::lock_guard lock(mutex_);
  unsynced_.push_back(path);
  return ok();
}

Status Bodies::sync() {
  const std::lock_guard syncing(sync_mutex_);
  std::vector<std::string> paths;
  {
    const std::lock_guard lock(mutex_);
    paths.swap(unsynced_);
  }
  Status synced = sync_files(paths);
  if (synced) return synced;
  const std::lock_guard lock(mutex_);
  unsynced_.insert(unsynced_.end(), paths.begin(), paths.end());
  return synced;
}

}  // namespace devrun::storage
