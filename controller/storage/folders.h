// What the two ways of building a tree share: folders under construction.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>

#include "common/tree/tree.h"

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
