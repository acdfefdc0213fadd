// The newest tree of a volume, in memory: what the next snapshot is compared with. Holds the bytes
// of every directory object (about 110 per file) and, for each directory's inode, which object it
// is. Where inode numbers are used again (btrfs does not), such a directory merely differs a lot from
// what it is compared with.
//
// A build does not change it; it makes a TreeChange, which is applied once everything is in the
// store.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "common/base/digest.h"
#include "common/base/result.h"
#include "common/tree/codec.h"
#include "common/tree/tree.h"
#include "controller/storage/provisional.h"

namespace devrun::storage {

// Sums over entries; signed, so that they serve as differences too.
struct Totals {
  int64_t files = 0;   // entries that are no directories
  int64_t bytes = 0;   // of regular files, by each name
  int64_t xattrs = 0;  // entries that have any

  void add(const tree::Entry& entry, int64_t times = 1);
  bool operator==(const Totals&) const = default;
};

struct TreeChange {
  tree::Entry root;                                  // its `directory` is the new tree
  std::vector<tree::Object> objects;                 // those that the known tree lacks
  std::unordered_map<uint64_t, Digest> directories;  // rebuilt, by inode
  std::vector<uint64_t> vanished;                    // directories that are gone, by inode
  Totals totals;                                     // of the new tree
  std::vector<ProvisionalFile> provisional;          // new ones
  size_t hashed = 0;  // entries whose provisional body has become what it is by content
};

class KnownTree {
 public:
  // From the objects of its packs; kCorrupt if one is missing.
  static Result<KnownTree> load(const tree::Manifest& manifest, std::vector<tree::Object> objects);

  bool empty() const { return manifest_.tree.is_zero(); }
  const tree::Manifest& manifest() const { return manifest_; }
  const Totals& totals() const { return totals_; }
  // Those that it had when it was loaded.
  const std::vector<ProvisionalFile>& provisional() const { return provisional_; }
  size_t bytes() const { return bytes_; }

  // The object of a directory by its inode; nullptr if it is not known.
  const Digest* directory_of(uint64_t inode) const;
  // Every directory's inode.
  std::vector<uint64_t> inodes() const;
  // Of an object that is part of the tree.
  std::string_view object(const Digest& id) const;
  bool has_object(const Digest& id) const { return objects_.contains(id); }
  Result<tree::Directory> directory(const Digest& id) const {
    return tree::decode_directory(object(id));
  }
  std::vector<Digest> object_ids() const;  // ascending

  // `manifest` is that of the new tree. Returns the objects that are no longer part of it.
  std::vector<tree::Object> apply(TreeChange change, tree::Manifest manifest);

 private:
  struct Held {
    std::string bytes;
    uint32_t uses = 0;  // directories that are this object
  };

  Status adopt(uint64_t inode, const Digest& id, std::unordered_map<Digest, std::string>& objects);
  void release(const Digest& id, std::vector<tree::Object>& released);

  tree::Manifest manifest_;
  Totals totals_;
  std::vector<ProvisionalFile> provisional_;
  size_t bytes_ = 0;
  std::unordered_map<Digest, Held> objects_;
  std::unordered_map<uint64_t, Digest> by_inode_;
};

}  // namespace devrun::storage
