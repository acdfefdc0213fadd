// A folder of the host, served to one container by FUSE, as one user: for file systems that cannot give a mount other ids
// (NFS, Lustre). The process has become that user for good, without a capability, so whatever anybody inside asks for,
// root or whoever root has made of themselves, is asked of the file system by that user: a server that believes the ids it
// is told (AUTH_SYS) is told the right ones, squashes what it squashes, and counts all of the user's groups.
//
// The kernel resolves paths; what arrives here is a handle and one name. Each entry that the kernel knows is an O_PATH
// descriptor (site_nodes.h), and all is done through these, so that nothing can lead out of the folder, and links are read
// and never followed. Attributes and names are believed for a second, as NFS clients do; pages are dropped at an open
// unless the file is the same.
//
// Ids: what is the user's looks like the container's caller's, as the caller would have made it; other owners keep their
// numbers, for people, and mean nothing to anybody inside. Device nodes cannot be made. Locks hold among the processes of
// the container alone.
#pragma once

#include <cstdint>

#include "common/base/result.h"
#include "common/model/site_identity.h"
#include "common/runtime/fd.h"

namespace devrun::site {

struct Inside {
  uint32_t uid = 0;  // of the caller, in the container
  uint32_t gid = 0;
};

// This process is that user from now on, for good, and may gain nothing by exec. Only while it has one thread.
Status become(const SiteIdentity& who);

// `fuse` is a /dev/fuse that has been mounted, `folder` what it shows (O_PATH will do). Blocks until it is unmounted.
Status serve_folder(UniqueFd fuse, UniqueFd folder, const SiteIdentity& who, const Inside& inside);

}  // namespace devrun::site
