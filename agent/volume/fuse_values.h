// The file system's values as FUSE's.
#pragma once

#define FUSE_USE_VERSION 314
#include <fuse3/fuse_lowlevel.h>
#include <sys/stat.h>

#include "agent/volume/fuse_front.h"

namespace devrun::volume {

inline constexpr double kForEverSeconds = 1e9;

inline FuseFront* front_of(fuse_req_t request) {
  return static_cast<FuseFront*>(fuse_req_userdata(request));
}

int errno_of(const Error& error);
struct stat stat_of(const Attributes& attributes);
struct stat root_stat();  // of the mount's own root
// Kept for ever by the kernel.
fuse_entry_param entry_param(NodeId node, const Attributes& attributes);
fuse_entry_param missing_for_ever();

}  // namespace devrun::volume
