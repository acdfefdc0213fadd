#include "common/tree/stat_values.h"

#include <sys/stat.h>

namespace devrun::tree {

namespace {
constexpr int64_t kNsPerSecond = 1'000'000'000;
}

mode_t type_bits(EntryType type) {
  switch (type) {
    case EntryType::kRegular:
      return S_IFREG;
    case EntryType::kDirectory:
    case EntryType::kMountPoint:
      return S_IFDIR;
    case EntryType::kSymlink:
      return S_IFLNK;
    case EntryType::kCharacterDevice:
      return S_IFCHR;
    case EntryType::kBlockDevice:
      return S_IFBLK;
    case EntryType::kFifo:
      return S_IFIFO;
    case EntryType::kSocket:
      return S_IFSOCK;
  }
  return 0;
}

timespec to_timespec(int64_t ns) {
  int64_t seconds = ns / kNsPerSecond;
  int64_t rest = ns % kNsPerSecond;
  if (rest < 0) {
    rest += kNsPerSecond;
    --seconds;
  }
  return {seconds, rest};
}

int64_t nanoseconds(const timespec& time) {
  return int64_t{time.tv_sec} * kNsPerSecond + time.tv_nsec;
}

}  // namespace devrun::tree
