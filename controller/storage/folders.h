// What the two ways of building a tree share: folders under construction.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>

#include "common/base/result.h"
#include "common/tree/tree.h"
#include "controller/storage/snapshot_folder.h"

namespace devrun::storage {

// ctime comes from the kernel's coarse clock, up to 10 ms behind; twice that.
inline constexpr int64_t kClockGrainNs = 20'000'000;

struct Folder {
  std::string path;  // from the tree's root
  uint64_t inode = 0;
  Folder* parent = nullptr;
  size_t index_in_parent = 0;
  tree::Directory directory;
};

// One of its entries, also while more are added.
struct EntryPlace {
  Folder* folder = nullptr;
  size_t index = 0;
  tree::Entry& entry() const { return folder->directory.entries[index]; }
};

// Directory objects are at most 1 GiB; well below, since names are not all that is in one.
inline constexpr uint64_t kFolderBytesMax = uint64_t{512} << 20;

// Adds up what a folder's entries take, in the order they are read; kUnsupported beyond the limit.
// Users can fill folders with attributes as they like.
class FolderSize {
 public:
  Status add(const Folder& folder, const tree::Entry& entry) {
    constexpr uint64_t kFixedBytes = 160;
    bytes_ += kFixedBytes + entry.name.size() + entry.link_target.size() + entry.body.id.size();
    for (const tree::Xattr& xattr : entry.xattrs) bytes_ += xattr.name.size() + xattr.value.size();
    if (bytes_ <= kFolderBytesMax) return ok();
    return Error{Code::kUnsupported,
                 "the names and attributes in the folder " + shown_path(folder.path) +
                     " are more than 512 MiB",
                 "spread its files over several folders"};
  }

 private:
  uint64_t bytes_ = 0;
};

inline std::string join_path(const std::string& folder, const std::string& name) {
  return folder.empty() ? name : folder + "/" + name;
}

inline const tree::Entry* find_entry(const tree::Directory& directory, const std::string& name) {
  const auto& entries = directory.entries;
  const auto found =
      std::lower_bound(entries.begin(), entries.end(), name,
                       [](const tree::Entry& e, const std::string& n) { return e.name < n; });
  return found != entries.end() && found->name == name ? &*found : nullptr;
}

}  // namespace devrun::storage
