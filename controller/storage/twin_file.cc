#include "controller/storage/twin_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstring>

#include "common/runtime/file.h"
#include "controller/storage/live_file.h"
#include "controller/storage/snapshot_folder.h"

namespace devrun::storage {

namespace {

constexpr uint32_t kExtentsAtOnce = 64;
// Places that are not known yet, are not told, or do not say which bytes lie in them.
constexpr uint32_t kUnclear = FIEMAP_EXTENT_UNKNOWN | FIEMAP_EXTENT_DELALLOC |
                              FIEMAP_EXTENT_ENCODED | FIEMAP_EXTENT_DATA_INLINE |
                              FIEMAP_EXTENT_DATA_TAIL | FIEMAP_EXTENT_NOT_ALIGNED;

struct Extents {
  alignas(fiemap) std::array<char, sizeof(fiemap) + kExtentsAtOnce * sizeof(fiemap_extent)> bytes{};

  const fiemap& head() const { return *reinterpret_cast<const fiemap*>(bytes.data()); }
  const fiemap_extent& at(uint32_t i) const { return head().fm_extents[i]; }

  // Waits for what is on its way to the disk: until its place is recorded, btrfs tells the old one.
  bool read(int file, uint64_t from) {
    fiemap request{};
    request.fm_flags = FIEMAP_FLAG_SYNC;
    request.fm_start = from;
    request.fm_length = FIEMAP_MAX_OFFSET - from;
    request.fm_extent_count = kExtentsAtOnce;
    std::memcpy(bytes.data(), &request, sizeof request);
    return ::ioctl(file, FS_IOC_FIEMAP, bytes.data()) == 0;
  }
};

bool same_place(const fiemap_extent& a, const fiemap_extent& b) {
  constexpr uint32_t kCompared = FIEMAP_EXTENT_UNWRITTEN;
  return a.fe_logical == b.fe_logical && a.fe_physical == b.fe_physical &&
         a.fe_length == b.fe_length && (a.fe_flags & kCompared) == (b.fe_flags & kCompared) &&
         ((a.fe_flags | b.fe_flags) & kUnclear) == 0;
}

bool same_extents(int one, int other) {
  Extents a;
  Extents b;
  for (uint64_t from = 0;;) {
    if (!a.read(one, from) || !b.read(other, from)) return false;
    const uint32_t count = a.head().fm_mapped_extents;
    if (count != b.head().fm_mapped_extents) return false;
    for (uint32_t i = 0; i < count; ++i) {
      if (!same_place(a.at(i), b.at(i))) return false;
    }
    if (count == 0) return true;
    const fiemap_extent& last = a.at(count - 1);
    if ((last.fe_flags & FIEMAP_EXTENT_LAST) != 0) return true;
    from = last.fe_logical + last.fe_length;
  }
}

}  // namespace

std::optional<TwinFile> TwinFile::open(int live_root, const std::string& path,
                                       const tree::Entry& entry) {
  // First without a way to read it, so that nothing but this regular file is opened.
  const Result<UniqueFd> handle = open_beneath(live_root, path, O_PATH);
  struct stat st {};
  if (!handle || ::fstat(handle->get(), &st) != 0 || !S_ISREG(st.st_mode)) return std::nullopt;
  if (!is_state_of(entry, st)) return std::nullopt;
  Result<UniqueFd> file =
      open_file(fmt::format("/proc/self/fd/{}", handle->get()), O_RDONLY | O_NOCTTY);
  if (!file) return std::nullopt;
  return TwinFile(std::move(*file), entry);
}

bool TwinFile::is_still(int frozen) const {
  // Waits for a write that is under way, too; of a file without anything dirty this does nothing.
  if (::fdatasync(file_.get()) != 0) return false;
  struct stat st {};
  return ::fstat(file_.get(), &st) == 0 && is_state_of(*entry_, st) &&
         same_extents(file_.get(), frozen);
}

}  // namespace devrun::storage
