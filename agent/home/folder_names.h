// One folder of an upper as the reader needs it: its names in byte order, what the kernel's overlay noted beside an entry, and what
// others did. All by descriptors; blocking; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "common/runtime/fd.h"
#include "common/tree/tree.h"

namespace devrun::home {

// The names in a folder but "." and "..", sorted by bytes, in one piece of memory: a folder may have a million.
class FolderNames {
 public:
  static Result<FolderNames> read(int folder);
  size_t size() const { return starts_.size(); }
  const char* at(size_t place) const { return bytes_.c_str() + starts_[place]; }

 private:
  std::string bytes_;  // each ended by NUL
  std::vector<uint32_t> starts_;
};

// What overlayfs writes as extended attributes (Documentation/filesystems/overlayfs.rst), and all others.
struct Marks {
  bool opaque = false;
  bool whiteout = false;  // of newer kernels: a file and not a device
  bool metacopy = false;
  bool origin = false;  // was copied up, and not made
  std::string redirect;
  std::vector<tree::Xattr> others;  // sorted by name
};

// Of the entry `name` of `folder`, no link followed; "" is the folder itself. What is gone has none.
Result<Marks> read_marks(int folder, const char* name);

// `path` relative to `root`, of any length, through no link and over no mount. kNotFound also if something on the way has become
// something else than a folder.
Result<UniqueFd> open_below(int root, std::string_view path, int flags);

}  // namespace devrun::home
