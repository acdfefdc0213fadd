// What this machine's kernel can do for a node's file system beyond what is needed, found by trying
// it: a FUSE mount whose first message tells what the kernel offers, and overlays with each option
// in use. `devrun doctor` prints what is missing and what is lost without it. Kernels from 5.15 on
// are supported; nothing here is required of them.
#pragma once

#include <cstdint>
#include <vector>

#include "cli/cluster/needs.h"

namespace devrun::cluster {

struct KernelProbe {
  bool tried = false;  // false: no root, or no mount namespace; then the rest says nothing
  uint32_t major = 0;  // of the kernel's version
  uint32_t minor = 0;
  bool fuse = false;         // it mounts, and says:
  uint32_t fuse_flags = 0;   // FUSE_INIT's flags
  uint32_t fuse_flags2 = 0;  // and their second word
  bool read_ahead = false;   // of a FUSE mount can be set
  bool overlay_redirect = false;
  bool overlay_index = false;
  bool overlay_volatile = false;
};

// Takes some milliseconds; leaves nothing.
KernelProbe probe_kernel();

// None if nothing was tried. `mend` says from which kernel on it is there.
std::vector<Need> kernel_features(const KernelProbe& probe);

}  // namespace devrun::cluster
