#include "controller/rpc/output_log.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include "common/runtime/file.h"

namespace devrun::controller {

std::string output_path(const std::string& jobs_path, const AttemptKey& key) {
  const std::string task = key.task == kNoTask ? "-" : fmt::format("{}", key.task);
  return fmt::format("{}/{}/{}.{}.{}/output", jobs_path, key.job, task, key.rank, key.attempt);
}

OutputLog::OutputLog(std::string path) : path_(std::move(path)) {
  struct stat found {};
  if (::stat(path_.c_str(), &found) == 0) length_ = static_cast<uint64_t>(found.st_size);
}

Status OutputLog::open_if_there() {
  if (fd_) return ok();
  fd_ = TRY(open_file(path_, O_RDWR));
  return ok();
}

Status OutputLog::open_for_append() {
  if (fd_) return ok();
  TRY(make_folders(path_.substr(0, path_.rfind('/')), 0700));
  fd_ = TRY(open_file(path_, O_RDWR | O_CREAT, 0600));
  return ok();
}

Result<uint64_t> OutputLog::append(uint64_t offset, std::string_view data) {
  const std::lock_guard lock(mutex_);
  uint64_t length = length_.load(std::memory_order_relaxed);
  if (offset != length) return length;
  TRY(open_for_append());
  while (!data.empty()) {
    const ssize_t n = ::pwrite(fd_.get(), data.data(), data.size(), static_cast<off_t>(length));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno_error("write " + path_, errno);
    data.remove_prefix(static_cast<size_t>(n));
    length += static_cast<uint64_t>(n);
  }
  length_.store(length, std::memory_order_release);
  return length;
}

Status OutputLog::read(uint64_t offset, size_t bytes_max, std::string& out) {
  const uint64_t end = length();
  if (offset >= end) {
    out.clear();
    return ok();
  }
  int fd = -1;
  {
    const std::lock_guard lock(mutex_);
    TRY(open_if_there());
    fd = fd_.get();
  }
  out.resize(std::min<uint64_t>(bytes_max, end - offset));
  size_t have = 0;
  while (have < out.size()) {
    const ssize_t n =
        ::pread(fd, out.data() + have, out.size() - have, static_cast<off_t>(offset + have));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno_error("read " + path_, errno);
    if (n == 0) return Error{Code::kCorrupt, "read " + path_ + ": it has become shorter", {}};
    have += static_cast<size_t>(n);
  }
  return ok();
}

Status OutputLog::make() {
  const std::lock_guard lock(mutex_);
  return open_for_append();
}

Status OutputLog::sync() {
  const std::lock_guard lock(mutex_);
  TRY(open_for_append());
  if (::fdatasync(fd_.get()) != 0) return errno_error("sync " + path_, errno);
  return ok();
}

}  // namespace devrun::controller
