#include "controller/storage/live_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>

#include "common/runtime/file.h"
#include "common/tree/stat_values.h"
#include "controller/storage/clock.h"
#include "controller/storage/folders.h"
#include "controller/storage/snapshot_folder.h"

namespace devrun::storage {

namespace {

constexpr int kTriesMax = 8;
constexpr int64_t kPauseNs = 2'000'000;  // doubled with each try
// Within one tick of the coarse clock many times over.
constexpr int kStampsTried = 40;

void sleep_ns(int64_t ns) {
  timespec time = tree::to_timespec(ns);
  while (::nanosleep(&time, &time) != 0 && errno == EINTR) {
  }
}

bool same_state(const struct stat& a, const struct stat& b) {
  return a.st_dev == b.st_dev && a.st_ino == b.st_ino && a.st_mode == b.st_mode &&
         a.st_size == b.st_size && a.st_nlink == b.st_nlink && a.st_uid == b.st_uid &&
         a.st_gid == b.st_gid && tree::nanoseconds(a.st_ctim) == tree::nanoseconds(b.st_ctim) &&
         tree::nanoseconds(a.st_mtim) == tree::nanoseconds(b.st_mtim);
}

// Its dirty pages, so that the next store to any of them stamps the file.
Status flush(int file) {
  constexpr unsigned kWhole =
      SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER;
  if (::sync_file_range(file, 0, 0, kWhole) == 0) return ok();
  if (::fdatasync(file) == 0) return ok();
  return errno_error("flush", errno);
}

// First without a way to read it, so that nothing but a regular file is ever opened.
Result<UniqueFd> open_regular(int folder, const std::string& name) {
  const UniqueFd handle = TRY(open_beneath(folder, name, O_PATH));
  struct stat st {};
  if (::fstat(handle.get(), &st) != 0) return errno_error("stat", errno);
  if (!S_ISREG(st.st_mode)) return Error{Code::kNotFound, "no regular file any more", {}};
  return open_file(fmt::format("/proc/self/fd/{}", handle.get()), O_RDONLY | O_NOCTTY);
}

Error restless() {
  return Error{
      Code::kConflict,
      fmt::format("the file will not hold still: it changed {} times while it was read", kTriesMax),
      "again when nothing writes to it, or keep the store on btrfs, which freezes"};
}

}  // namespace

bool stamps_are_fine(int file) {
  struct stat last {};
  if (::fstat(file, &last) != 0) return false;
  for (int i = 0; i < kStampsTried; ++i) {
    struct stat st {};
    if (::pwrite(file, "x", 1, 0) != 1 || ::fstat(file, &st) != 0) return false;
    if (tree::nanoseconds(st.st_ctim) == tree::nanoseconds(last.st_ctim)) return false;
    last = st;
  }
  return true;
}

bool is_state_of(const tree::Entry& entry, const struct stat& st) {
  const Result<tree::Entry> now = entry_of_stat(st, entry.name, entry.lineage);
  if (!now) return false;
  const bool sized = now->type != tree::EntryType::kRegular || now->size == entry.size;
  return sized && now->type == entry.type && now->mode == entry.mode && now->uid == entry.uid &&
         now->gid == entry.gid && now->mtime_ns == entry.mtime_ns &&
         now->ctime_ns == entry.ctime_ns && now->inode == entry.inode &&
         now->device == entry.device;
}

Result<std::optional<tree::Entry>> LiveFiles::read(int folder, const std::string& name,
                                                   const struct stat& seen) {
  const bool has_bytes = S_ISREG(seen.st_mode) && seen.st_size > 0;
  Result<Maybe> out = has_bytes ? read_regular(folder, name, seen) : read_other(folder, name, seen);
  // It had its name a moment ago.
  if (!out && out.error().code == Code::kNotFound) return Maybe{};
  return out;
}

// A stat such that every later change will show in another one; the file is flushed since.
Status LiveFiles::settle(int file, struct stat& st) const {
  if (::fstat(file, &st) != 0) return errno_error("stat", errno);
  const int64_t age = clock_ns() - tree::nanoseconds(st.st_ctim);
  // A stamp from the future stays apart from those of now.
  if (!fine_stamps_ && age <= kClockGrainNs && age >= -kClockGrainNs) {
    sleep_ns(kClockGrainNs - age);
    if (::fstat(file, &st) != 0) return errno_error("stat", errno);
  }
  TRY(flush(file));
  // Only for the lock; what it finds is of no interest.
  (void)::lseek(file, 0, SEEK_DATA);
  return ok();
}

Status LiveFiles::fill(int file, const std::function<bool()>& held_still, tree::Entry& entry) {
  TRY(read_xattrs(file, entry));
  if (entry.size == 0) return ok();
  ++bodies_read_;
  bytes_read_ += entry.size;
  entry.body = TRY(bodies_.take(file, entry.size, held_still));
  return ok();
}

Result<std::optional<tree::Entry>> LiveFiles::read_regular(int folder, const std::string& name,
                                                           const struct stat& seen) {
  const UniqueFd file = TRY(open_regular(folder, name));
  for (int tries = 0; tries < kTriesMax; ++tries) {
    if (tries > 0) sleep_ns(kPauseNs << tries);
    struct stat before {};
    TRY(settle(file.get(), before));
    if (before.st_ino != seen.st_ino || before.st_nlink == 0) return Maybe{};
    tree::Entry entry = TRY(entry_of_stat(before, name, lineage_));
    const auto held_still = [&] {
      struct stat after {};
      return ::fstat(file.get(), &after) == 0 && same_state(before, after);
    };
    Status filled = fill(file.get(), held_still, entry);
    if (filled) {
      // One without bytes was not asked about.
      if (entry.size > 0 || held_still()) return Maybe(std::move(entry));
    } else if (filled.error().code != Code::kConflict && held_still()) {
      return filled.error();
    }
  }
  return restless();
}

Result<std::optional<tree::Entry>> LiveFiles::read_other(int folder, const std::string& name,
                                                         const struct stat& seen) {
  struct stat before = seen;
  for (int tries = 0; tries < kTriesMax; ++tries) {
    Result<tree::Entry> entry = read_entry(folder, name, lineage_);
    struct stat after {};
    if (::fstatat(folder, name.c_str(), &after, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) != 0) {
      return errno_error("stat", errno);
    }
    if (after.st_ino != seen.st_ino || (after.st_mode & S_IFMT) != (seen.st_mode & S_IFMT)) {
      return Maybe{};
    }
    if (same_state(before, after)) {
      if (!entry) return std::move(entry).error();
      return Maybe(std::move(*entry));
    }
    if (S_ISREG(after.st_mode) && after.st_size > 0) return read_regular(folder, name, seen);
    before = after;
  }
  return restless();
}

}  // namespace devrun::storage
