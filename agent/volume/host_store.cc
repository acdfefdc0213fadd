#include "agent/volume/host_store.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "common/runtime/file.h"

namespace devrun::volume {

namespace {

Result<std::string> read_at(int fd, const std::string& path, uint64_t offset, uint64_t size) {
  std::string out(size, '\0');
  size_t filled = 0;
  while (filled < size) {
    const ssize_t n =
        ::pread(fd, out.data() + filled, size - filled, static_cast<off_t>(offset + filled));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno_error(fmt::format("read {}", path), errno);
    if (n == 0) break;
    filled += static_cast<size_t>(n);
  }
  out.resize(filled);
  return out;
}

}  // namespace

Result<std::unique_ptr<HostStore>> HostStore::open(const std::string& folder) {
  UniqueFd fd = TRY(open_file(folder, O_PATH | O_DIRECTORY));
  return std::unique_ptr<HostStore>(new HostStore(std::move(fd)));
}

Result<UniqueFd> HostStore::open_below(const std::string& path) const {
  open_how how{};
  how.flags = O_RDONLY | O_CLOEXEC | O_NOFOLLOW;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS;
  const long fd = ::syscall(SYS_openat2, folder_.get(), path.c_str(), &how, sizeof how);
  if (fd < 0) return errno_error(fmt::format("open {}", path), errno);
  return UniqueFd(static_cast<int>(fd));
}

Result<std::string> HostStore::read_whole(const std::string& path, uint64_t bytes_max, Deadline,
                                          Priority) {
  const UniqueFd fd = TRY(open_below(path));
  struct stat st {};
  if (::fstat(fd.get(), &st) != 0) return errno_error(fmt::format("stat {}", path), errno);
  const auto size = static_cast<uint64_t>(st.st_size);
  if (size > bytes_max) {
    return Error{Code::kExhausted, fmt::format("{} has {} bytes, too many", path, size), {}};
  }
  std::string out = TRY(read_at(fd.get(), path, 0, size));
  reads_ += 1;
  bytes_read_ += out.size();
  return out;
}

Result<std::string> HostStore::read_range(const std::string& path, uint64_t offset, uint64_t size,
                                          Deadline, Priority) {
  const UniqueFd fd = TRY(open_below(path));
  std::string out = TRY(read_at(fd.get(), path, offset, size));
  reads_ += 1;
  bytes_read_ += out.size();
  return out;
}

void HostStore::count(std::map<std::string, uint64_t>& counters) const {
  counters["store.read"] = reads_;
  counters["store.bytes_read"] = bytes_read_;
}

}  // namespace devrun::volume
