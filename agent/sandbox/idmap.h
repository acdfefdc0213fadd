// A mount on which one user's ids are others inside (mount_setattr, MOUNT_ATTR_IDMAP): what the container's caller makes
// there belongs to the user, and what is the user's looks like the caller's. Whoever else has files there is nobody
// inside: no capability of a container's root, which holds over known ids alone, says anything about their files, nobody
// inside can write them whatever their mode (the kernel's rule for ids that a mount does not know), and who takes another id
// inside can make nothing at all. File systems without it (NFS, Lustre) say so.
#pragma once

#include <cstdint>
#include <vector>

#include "common/base/result.h"
#include "common/model/site_identity.h"

namespace devrun::sandbox {

struct IdPair {
  uint32_t outside = 0;  // on the file system
  uint32_t inside = 0;   // in the container
  bool operator==(const IdPair&) const = default;
};
struct IdMap {
  std::vector<IdPair> uids;
  std::vector<IdPair> gids;  // the first is the caller's own group
};

// `who` outside is `uid` and `gid` inside. Further groups keep their numbers, but for one that `gid` has taken. Pure.
IdMap site_id_map(const SiteIdentity& who, uint32_t uid, uint32_t gid);

// Of a mount that is nowhere yet (open_tree), and of those below it. kUnsupported: one of them cannot.
Status map_ids(int mount, const IdMap& map);

}  // namespace devrun::sandbox
