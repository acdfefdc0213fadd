// Reading a folder of a read-only snapshot: names, attributes, extended attributes. Symlinks are
// never followed and the snapshot is never left: paths are resolved beneath its root by the kernel.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "common/runtime/fd.h"
#include "common/tree/tree.h"

namespace devrun::storage {

// btrfs shows a nested subvolume in a snapshot as an empty directory with this inode number.
inline constexpr uint64_t kNestedSubvolumeInode = 2;

struct NameAndInode {
  std::string name;
  uint64_t inode = 0;
};

// `path` is relative to the snapshot's root, without ".."; "" is the root itself.
Result<UniqueFd> open_beneath(int root, const std::string& path, int flags);

// Without "." and "..", sorted by name.
Result<std::vector<NameAndInode>> read_names(int folder);

// The entry of `name` in `folder` (the folder itself if `name` is empty), complete but for body and
// directory id.
Result<tree::Entry> read_entry(int folder, const std::string& name, const tree::Lineage& lineage);

}  // namespace devrun::storage
