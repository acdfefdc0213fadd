// A file system on a loop device for one bench: gone with the process, whatever happens to it. The
// image is a file on a real disk, with direct I/O as `devrun up` does it, since snapshots wait for
// the device.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "common/runtime/fd.h"

namespace devrun::bench {

// In a mount namespace of its own; before anything is mounted, and before there are threads.
Status enter_private_namespace();

class ScratchDisk {
 public:
  // `kind`: btrfs, ext4 or xfs; `options` of its mkfs.
  static Result<std::unique_ptr<ScratchDisk>> make(const std::string& folder,
                                                   const std::string& kind, int64_t bytes,
                                                   const std::vector<std::string>& options = {});
  ~ScratchDisk();

  const std::string& path() const { return path_; }
  // Flushes that the device was asked for so far.
  uint64_t flushes() const;

 private:
  UniqueFd image_;
  std::string path_;
  std::string device_;  // loop7
};

}  // namespace devrun::bench
