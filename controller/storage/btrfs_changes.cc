// What changed between two snapshots, from the new one's tree alone. btrfs stamps each tree block
// and each inode item with the transaction that wrote it, and a snapshot is made at the end of a
// transaction G: whatever was touched after it carries a stamp above G. A search with min_transid
// skips every block that is older, so that it reads only what the changes rewrote. Such a block
// also holds unchanged neighbours: the inode's own stamp decides.
//
// Every change of a name touches its directory's inode, every change of content or attributes the
// inode itself (tests compare with a full walk). A deleted inode shows in its directory alone.
#include <endian.h>
#include <linux/btrfs.h>
#include <linux/btrfs_tree.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <functional>
#include <memory>

#include "controller/storage/btrfs.h"

namespace devrun::storage::btrfs {

namespace {

constexpr size_t kBufferBytes = 256 << 10;
constexpr uint64_t kMaxOffset = UINT64_MAX;

struct Key {
  uint64_t object = 0;
  uint32_t type = 0;
  uint64_t offset = 0;
};

struct Search {
  Key from;
  Key to;
  uint64_t transid_min = 0;
};

// Visits items in key order; the visitor returns false to end.
using Visitor = std::function<bool(const Key&, const uint8_t* data, size_t bytes)>;

// The next key after `key`, or false if there is none.
bool advance(Key& key) {
  if (key.offset != kMaxOffset) {
    ++key.offset;
    return true;
  }
  key.offset = 0;
  if (key.type != UINT8_MAX) {
    ++key.type;
    return true;
  }
  key.type = 0;
  return ++key.object != 0;
}

Status search(int fd, const Search& wanted, const Visitor& visit) {
  const auto buffer = std::make_unique<uint64_t[]>(
      (sizeof(btrfs_ioctl_search_args_v2) + kBufferBytes) / sizeof(uint64_t));
  auto* args = reinterpret_cast<btrfs_ioctl_search_args_v2*>(buffer.get());
  Key from = wanted.from;
  for (;;) {
    args->key = {};
    args->key.min_objectid = from.object;
    args->key.min_type = from.type;
    args->key.min_offset = from.offset;
    args->key.max_objectid = wanted.to.object;
    args->key.max_type = wanted.to.type;
    args->key.max_offset = wanted.to.offset;
    args->key.min_transid = wanted.transid_min;
    args->key.max_transid = UINT64_MAX;
    args->key.nr_items = UINT32_MAX;
    args->buf_size = kBufferBytes;
    if (::ioctl(fd, BTRFS_IOC_TREE_SEARCH_V2, args) != 0) {
      return errno_error("search the snapshot's tree", errno);
    }
    if (args->key.nr_items == 0) return ok();
    const auto* at = reinterpret_cast<const uint8_t*>(args->buf);
    for (uint32_t i = 0; i < args->key.nr_items; ++i) {
      btrfs_ioctl_search_header header;
      std::memcpy(&header, at, sizeof header);
      at += sizeof header;
      from = {header.objectid, header.type, header.offset};
      if (!visit(from, at, header.len)) return ok();
      at += header.len;
    }
    if (!advance(from)) return ok();
  }
}

}  // namespace

Result<std::vector<uint64_t>> inodes_changed_since(int snapshot, uint64_t generation,
                                                   size_t inodes_max) {
  std::vector<uint64_t> out;
  bool too_many = false;
  const Search wanted{{BTRFS_FIRST_FREE_OBJECTID, 0, 0},
                      {BTRFS_LAST_FREE_OBJECTID, UINT8_MAX, kMaxOffset},
                      generation + 1};
  TRY(search(snapshot, wanted, [&](const Key& key, const uint8_t* data, size_t bytes) {
    if (key.type != BTRFS_INODE_ITEM_KEY || bytes < sizeof(btrfs_inode_item)) return true;
    btrfs_inode_item item;
    std::memcpy(&item, data, sizeof item);
    if (le64toh(item.transid) <= generation) return true;
    too_many = out.size() >= inodes_max;
    if (!too_many) out.push_back(key.object);
    return !too_many;
  }));
  if (too_many) return Error{Code::kExhausted, "too many changed inodes", {}};
  return out;
}

Result<bool> extents_changed_since(int snapshot, uint64_t inode, uint64_t generation) {
  bool found = false;
  const Search wanted{{inode, BTRFS_EXTENT_DATA_KEY, 0},
                      {inode, BTRFS_EXTENT_DATA_KEY, kMaxOffset},
                      generation + 1};
  TRY(search(snapshot, wanted, [&](const Key&, const uint8_t* data, size_t bytes) {
    btrfs_file_extent_item item{};
    std::memcpy(&item, data, std::min(bytes, sizeof item));  // inline ones may be shorter
    found = le64toh(item.generation) > generation;
    return !found;
  }));
  return found;
}

Result<std::vector<uint64_t>> parents_of(int snapshot, uint64_t inode) {
  std::vector<uint64_t> out;
  const Search wanted{
      {inode, BTRFS_INODE_REF_KEY, 0}, {inode, BTRFS_INODE_EXTREF_KEY, kMaxOffset}, 0};
  TRY(search(snapshot, wanted, [&](const Key& key, const uint8_t* data, size_t bytes) {
    if (key.type == BTRFS_INODE_REF_KEY) {
      out.push_back(key.offset);
    } else if (key.type == BTRFS_INODE_EXTREF_KEY) {
      // Names that did not fit the first item; several may share one, each with its own parent.
      size_t at = 0;
      while (at + sizeof(btrfs_inode_extref) <= bytes) {
        btrfs_inode_extref ref;
        std::memcpy(&ref, data + at, sizeof ref);
        out.push_back(le64toh(ref.parent_objectid));
        at += sizeof ref + le16toh(ref.name_len);
      }
    }
    return true;
  }));
  return out;
}

}  // namespace devrun::storage::btrfs
