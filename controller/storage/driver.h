// What a file system does for volumes, one implementation for each kind:
//
//   btrfs   the live tree is a subvolume; an instant is a read-only snapshot of it, atomic and kept
//           through power loss; btrfs tells which inodes changed since an earlier one
//   scan    any other POSIX file system: the live tree is a plain folder, and an instant is the
//           live tree itself, which goes on changing while it is read
//
// Which one a store has is seen from its file system, never configured: Driver::of looks.
//
// A volume's life through it: make_live once; for each snapshot freeze, read `root` (with
// changed_inodes where the tree of an earlier instant is at hand), and remove what `name` says when
// it is no longer wanted; after a restart, reopen finds an instant again by its name. What a driver
// that does not freeze returns needs no removing, and is never found again: so its trees are made
// durable before they are acknowledged, the other's after (see volume.h).
//
// Names are ours, never a user's. Any thread; stateless.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "common/runtime/fd.h"

namespace devrun::storage {

using LiveId = std::array<uint8_t, 16>;

// A tree that a snapshot is read from.
struct Instant {
  std::string name;  // in the volume's folder; empty: the live tree itself
  UniqueFd root;
  int64_t taken_ns = 0;     // before it, by the clock that stamps files
  uint64_t generation = 0;  // later instants of one live tree have higher ones; 0: not ordered
  LiveId live{};            // which live tree that is: a restored one is another
};

class Driver {
 public:
  // By the file system that holds `folder`. kUnsupported for one that forgets (tmpfs),
  // and for one without what keeps edits from being written over (NFS, and other network file systems).
  static Result<std::unique_ptr<Driver>> of(const std::string& folder);

  virtual ~Driver() = default;

  virtual std::string_view name() const = 0;
  // Whether an instant stays as it is: the tree that is read from it may then be acknowledged
  // before it is durable, since it can be read again.
  virtual bool freezes() const = 0;

  // An empty live tree `name` in the folder `parent`.
  virtual Status make_live(int parent, const std::string& name) const = 0;
  // A live tree `name` in `parent` that begins as the frozen instant `from` (a path): at once, however
  // large it is. Its instants are ordered with that one. kUnsupported if this driver cannot.
  virtual Result<LiveId> clone_live(const std::string& from, int parent,
                                    const std::string& name) const = 0;
  // Deletes a live tree or an instant, with everything below it, whatever that is. Blocks for as
  // long as that takes.
  virtual Status remove(int parent, const std::string& name) const = 0;

  // The live tree `live` of `folder` as it is at an instant after the call began; `name` (not taken
  // yet) is where it is kept. kUnsupported if something in the live tree cannot be read from it; the
  // message names it, and `name` is not taken then.
  virtual Result<Instant> freeze(const std::string& folder, const std::string& name) const = 0;
  // One that an earlier process froze.
  virtual Result<Instant> reopen(const std::string& folder, const std::string& name) const = 0;

  // Inodes touched after `generation`, ascending; kExhausted if there are more than `inodes_max`.
  // Only of instants that are ordered.
  virtual Result<std::vector<uint64_t>> changed_inodes(int root, uint64_t generation,
                                                       size_t inodes_max) const = 0;
  // Whether bytes of the regular file `inode` were written after `generation`, its size left as it
  // was. Its stamps do not tell: a write sets them when it begins, and an instant may lie in the
  // middle of it. Only of instants that are ordered.
  virtual Result<bool> bytes_changed(int root, uint64_t inode, uint64_t generation) const = 0;
  // The folders that hold a name of `inode`. Only of instants that are ordered.
  virtual Result<std::vector<uint64_t>> parents_of(int root, uint64_t inode) const = 0;

  // Every change of names so far, and every clone, survives power loss when it returns; `fd` is
  // anything in the file system.
  virtual Status commit(int fd) const = 0;
};

}  // namespace devrun::storage
