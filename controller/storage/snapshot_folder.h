// Reading a folder of a tree that users own: names, attributes, extended attributes. Symlinks are
// never followed and neither the tree nor its mount is ever left, whatever is swapped for what
// meanwhile: the kernel resolves paths beneath the root, and entries by descriptor of their folder.
#pragma once

#include <sys/stat.h>

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

// `path` is relative to the tree's root, without ".."; "" is the root itself. Of any length, in
// steps where it is longer than the kernel takes. The last part is no symlink either (kNotFound,
// kInvalid or kIo, as open(2) says).
Result<UniqueFd> open_beneath(int root, const std::string& path, int flags);

// Without "." and "..", sorted by name.
Result<std::vector<NameAndInode>> read_names(int folder);

// The same of a folder that may be changing: the names that it had at one instant. kConflict if it
// is so large that it could not be read at once, and changed.
Result<std::vector<NameAndInode>> read_names_at_once(int folder);

// What stat tells of an entry; without link target, xattrs, body and directory id.
Result<tree::Entry> entry_of_stat(const struct stat& st, const std::string& name,
                                  const tree::Lineage& lineage);
// Those of an open file, into `entry`.
Status read_xattrs(int file, tree::Entry& entry);

// The entry of `name` in `folder` (the folder itself if `name` is empty), complete but for body and
// directory id.
Result<tree::Entry> read_entry(int folder, const std::string& name, const tree::Lineage& lineage);

// Something else is mounted there, or a nested subvolume lies there.
tree::Entry mount_point_entry(const std::string& name, const tree::Lineage& lineage);

// A path in a tree as an error may show it: printable UTF-8 of bounded length, with "/" in front.
std::string shown_path(const std::string& path);

}  // namespace devrun::storage
