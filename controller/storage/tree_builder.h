// From an instant to a tree (see driver.h; one that goes on changing: live_builder.h): walks what may have changed since the known tree, takes
// everything else over from it, and puts the bodies of changed files into the store.
//
// With a `generation` (the transaction in which the known tree's snapshot was made) btrfs tells
// which inodes were touched since; only those and their directories are looked at. Without one
// every entry is looked at, and a file whose inode, ctime, mtime and size are those of the known
// tree keeps its body. In both cases a file that was changed within the clock's grain of the known
// tree's instant is read again: its next change may have left no trace in its times.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "common/base/result.h"
#include "controller/storage/bodies.h"
#include "controller/storage/driver.h"
#include "controller/storage/known_tree.h"

namespace devrun::storage {

// Files whose bytes are known, by inode, as long as they are as they were then.
struct ExpectedBody {
  int64_t ctime_ns = 0;
  uint64_t size = 0;
  tree::Body body;
};
using ExpectedBodies = std::unordered_map<uint64_t, ExpectedBody>;

struct BuildRequest {
  int root = -1;  // descriptor of the tree's root
  const Driver* driver = nullptr;
  tree::Lineage lineage{};
  std::optional<uint64_t> generation;  // see above; only with a known tree of the same live tree
  // The instant's own generation and live tree: with them, a provisional body's name is of this
  // state of its file alone, and the same when the tree is built again.
  uint64_t instant = 0;
  LiveId live{};
  // Provisional bodies of the known tree that are known by content now, by id; and their inodes.
  std::map<std::string, tree::Body> hashed = {};
  std::vector<uint64_t> hashed_inodes = {};
  ExpectedBodies expected = {};
  // Descriptor of the root of the live tree that the instant is of; -1: files are read from the
  // instant alone.
  int live_root = -1;
  int64_t taken_ns = 0;   // when, by the clock that stamps files
  bool rebuilds = false;  // a tree that may have been built before: its clones may be in use
  // Not to rely on the kernel's fine stamps of changes, whether it has them or not (live_file.h).
  bool assume_coarse_stamps = false;
};

// How much work a build was, for the log and the tests.
struct BuildWork {
  size_t directories_read = 0;
  size_t entries_looked_at = 0;
  size_t bodies_read = 0;
  uint64_t bytes_read = 0;  // of these
};

// Not thread-safe. Nothing but content files is changed; a failed build's clones of large files are
// removed, unless `rebuilds`. kConflict: something of a tree that is not
// frozen would not hold still; the message names it.
Result<TreeChange> build_tree(const BuildRequest& request, const KnownTree& known, Bodies& bodies,
                              BuildWork* work = nullptr);

// Whether the entry's provisional body is known by content now; then that becomes its body.
bool take_hashed_body(const BuildRequest& request, tree::Entry& entry);

}  // namespace devrun::storage
