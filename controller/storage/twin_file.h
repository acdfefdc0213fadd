// The live file that a file of a frozen instant was made of. To the kernel they are two inodes, so
// that the bytes of the frozen one come from the disk although the page cache has them, as those of
// the live one. Reading the live one instead is right only if it still is what the instant has.
// What proves that, asked once its bytes were read:
//
//  - its stamps are those of the instant: no change began since. (The instant is longer ago than the
//    grain of stamps.)
//  - it has the same extents on disk, all of them written, with nothing of it waiting to be written:
//    also no change that began before the instant went on after it. The frozen file holds its
//    extents, so that no other bytes can come to lie in them.
//
// Any thread.
#pragma once

#include <optional>
#include <string>

#include "common/runtime/fd.h"
#include "common/tree/tree.h"

namespace devrun::storage {

class TwinFile {
 public:
  // That of `entry` (a regular file), which lies at `path` of the instant; nothing if it is known to
  // differ already. `live_root`: descriptor of the live tree's root.
  static std::optional<TwinFile> open(int live_root, const std::string& path,
                                      const tree::Entry& entry);

  int descriptor() const { return file_.get(); }
  // Whether everything read so far is what `frozen` holds. False too if the file system does not
  // tell.
  bool is_still(int frozen) const;

 private:
  TwinFile(UniqueFd file, const tree::Entry& entry) : file_(std::move(file)), entry_(&entry) {}

  UniqueFd file_;
  const tree::Entry* entry_;
};

}  // namespace devrun::storage
