// One file of a live tree, as it is at one instant, while its users go on working.
//
// A file is read between two stats, and if they agree that is its state: the kernel stamps ctime
// with every change. What would get past that:
//  - A store through a mapping stamps only if its page was clean. So a file is flushed after the
//    first stat: whatever is stored after the flush stamps again, now and for the next snapshot.
//    (Tried on ext4: without it the body changes and the stat does not.)
//  - A write stamps as it begins. One that is under way at the first stat is waited for: it holds the
//    inode's lock, which seeking for data takes too (ext4; XFS takes it to read and to clone). A
//    direct write over allocated blocks does not hold it on ext4: of such a file, the snapshot may
//    hold a part of that write.
//  - Two changes within a tick of the kernel's coarse clock have one stamp. Kernels from 6.13 on
//    stamp finely what was looked at before; whether this one does is found out by trying
//    (stamps_are_fine). Otherwise a file that was changed a moment ago is read after that moment.
//  - A name may be given to another file. Everything is read through one descriptor.
//
// Only regular files are ever opened, never a device or a fifo, which would act.
#pragma once

#include <sys/stat.h>

#include <functional>
#include <optional>
#include <string>

#include "common/base/result.h"
#include "common/tree/tree.h"
#include "controller/storage/bodies.h"

namespace devrun::storage {

// Whether the file system of `file` (of ours, empty) gives every change that follows a stat a ctime
// of its own.
bool stamps_are_fine(int file);

// Whether `entry` was read from the state that `st` tells of.
bool is_state_of(const tree::Entry& entry, const struct stat& st);

class LiveFiles {
 public:
  LiveFiles(Bodies& bodies, const tree::Lineage& lineage, bool fine_stamps)
      : bodies_(bodies), lineage_(lineage), fine_stamps_(fine_stamps) {}

  // The entry `name` of `folder`, complete but for a folder's directory id; nothing if there is none
  // any more, or another than `seen`, its last stat. kConflict if it would not hold still.
  Result<std::optional<tree::Entry>> read(int folder, const std::string& name,
                                          const struct stat& seen);

  size_t bodies_read() const { return bodies_read_; }
  uint64_t bytes_read() const { return bytes_read_; }

 private:
  using Maybe = std::optional<tree::Entry>;

  Result<Maybe> read_regular(int folder, const std::string& name, const struct stat& seen);
  Result<Maybe> read_other(int folder, const std::string& name, const struct stat& seen);
  Status fill(int file, const std::function<bool()>& held_still, tree::Entry& entry);
  Status settle(int file, struct stat& st) const;

  Bodies& bodies_;
  const tree::Lineage lineage_;
  const bool fine_stamps_;
  size_t bodies_read_ = 0;
  uint64_t bytes_read_ = 0;
};

}  // namespace devrun::storage
