#include "controller/storage/space_reserve.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>

#include "common/base/log.h"
#include "common/runtime/file.h"

namespace devrun::storage {

namespace {
constexpr uint64_t kReserveBytesMax = 32 << 20;
constexpr unsigned kReservePart = 100;  // of the store at most
}  // namespace

Result<bool> is_nearly_full(const std::string& store) {
  struct statvfs info {};
  if (::statvfs(store.c_str(), &info) != 0) return errno_error("statvfs " + store, errno);
  return info.f_bavail < info.f_blocks / 100 * kFreePercentMin;
}

void SpaceReserve::fill() {
  const std::lock_guard lock(mutex_);
  struct stat st {};
  if (::stat(path_.c_str(), &st) == 0 && st.st_size > 0) return;
  const std::string store = path_.substr(0, path_.rfind('/'));
  const Result<bool> full = is_nearly_full(store);
  struct statvfs info {};
  if (!full || *full || ::statvfs(store.c_str(), &info) != 0) return;
  const uint64_t bytes =
      std::min<uint64_t>(kReserveBytesMax, info.f_blocks * info.f_frsize / kReservePart);
  const Result<UniqueFd> file = open_file(path_, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  // Half of one helps nobody.
  if (file && ::posix_fallocate(file->get(), 0, static_cast<off_t>(bytes)) != 0) {
    ::unlink(path_.c_str());
  }
}

bool SpaceReserve::give_back() {
  const std::lock_guard lock(mutex_);
  if (::unlink(path_.c_str()) != 0) return false;
  log::warning("the store is full: its reserve is used for records");
  // The space is free once the removal is committed.
  const Result<UniqueFd> store = open_file(path_.substr(0, path_.rfind('/')), O_RDONLY);
  return store && ::syncfs(store->get()) == 0;
}

Status SpaceReserve::with(const std::function<Status()>& write) {
  Status done = write();
  if (done || done.error().code != Code::kExhausted || !give_back()) return done;
  return write();
}

}  // namespace devrun::storage
