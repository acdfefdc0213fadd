// From a read-only snapshot to a tree: walks what may have changed since the known tree, takes
// everything else over from it, and puts the bodies of changed files into the store.
//
// With a `generation` (the transaction in which the known tree's snapshot was made) btrfs tells
// which inodes were touched since; only those and their directories are looked at. Without one
// every entry is looked at, and a file whose inode, ctime, mtime and size are those of the known
// tree keeps its body. In both cases a file that was changed within the clock's grain of the known
// tree's instant is read again: its next change may have left no trace in its times.
#pragma once

#include <cstdint>
#include <optional>

#include "common/base/result.h"
#include "controller/storage/bodies.h"
#include "controller/storage/driver.h"
#include "controller/storage/known_tree.h"

namespace devrun::storage {

struct BuildRequest {
  int root = -1;  // descriptor of the tree's root
  const Driver* driver = nullptr;
  tree::Lineage lineage{};
  std::optional<uint64_t>
      generation;  // see above; only with a known tree of the same live subvolume
};

// How much work a build was, for the log and the tests.
struct BuildWork {
  size_t directories_read = 0;
  size_t entries_looked_at = 0;
  size_t bodies_read = 0;
};

// Not thread-safe; the snapshot is not written meanwhile. Nothing but content files is changed.
Result<TreeChange> build_tree(const BuildRequest& request, const KnownTree& known, Bodies& bodies,
                              BuildWork* work = nullptr);

}  // namespace devrun::storage
