// The few btrfs operations that volumes need, by ioctl and libbtrfsutil. `parent` is a descriptor
// of the folder that holds the subvolume; names are ours, never a user's. Blocking; any thread.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "common/base/result.h"

namespace devrun::storage::btrfs {

using Uuid = std::array<uint8_t, 16>;

struct SubvolumeInfo {
  uint64_t id = 0;
  Uuid uuid{};
  Uuid parent_uuid{};  // of the subvolume that it is a snapshot of
  uint64_t generation =
      0;  // the transaction that made it: everything in a snapshot is this old or older
  int64_t made_ns = 0;  // when, by the clock that stamps files
};

Result<bool> is_btrfs(const std::string& path);

Status create_subvolume(int parent, const std::string& name);
// Atomic, and committed when it returns.
Status snapshot_read_only(int source, int parent, const std::string& name);
// One that can be written; with the modes and times of the source.
Status snapshot_writable(int source, int parent, const std::string& name);
// With all subvolumes in it. The space comes back in the background.
Status delete_subvolume(int parent, const std::string& name);
Result<SubvolumeInfo> subvolume_info(int fd);

// Commits the current transaction: every change of names and every clone so far survives power
// loss. Data that was written and not fsynced does not.
Status commit(int fd);

// Keeps the data that is dirty in the whole file system of `fd` below about `bytes`: the kernel writes
// back from half of that on, and lets writers wait beyond it. False if this kernel (before 6.2), or a
// read-only /sys, does not let us.
Result<bool> bound_dirty_data(int fd, uint64_t bytes);

// Subvolumes anywhere in the one that `fd` is the root of, as paths relative to it.
Result<std::vector<std::string>> nested_subvolumes(int fd);

// The inodes of a snapshot that were touched in a transaction after `generation`, ascending.
// kExhausted if there are more than `inodes_max`. Cost: the changed leaves of the tree, whatever
// its size.
Result<std::vector<uint64_t>> inodes_changed_since(int snapshot, uint64_t generation,
                                                   size_t inodes_max);
// Whether the file `inode` of a snapshot has an extent that was written in a transaction after
// `generation`. (A hole that was punched leaves none, but stamps the file when it is complete.)
Result<bool> extents_changed_since(int snapshot, uint64_t inode, uint64_t generation);
// The directories that hold a name of `inode`.
Result<std::vector<uint64_t>> parents_of(int snapshot, uint64_t inode);

}  // namespace devrun::storage::btrfs
