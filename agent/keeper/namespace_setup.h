// The mount namespace that a keeper pins: made private towards the host (its mounts come in, ours
// never go out), with folders hidden and FUSE mounts made. Every step fails cleanly: nothing of it
// survives the process.
#pragma once

#include <string>
#include <vector>

#include "common/base/result.h"
#include "common/runtime/fd.h"

namespace devrun::keeper {

// New namespace, a recursive slave of the old one, for the calling process. Also takes out the
// cgroup2 mount of a hybrid cgroup layout, which crun 1.8 would otherwise stumble on.
Status enter_new_namespace();

// Covers `folder` by an empty read-only tmpfs. A folder that does not exist needs no hiding.
Status hide(const std::string& folder);

// Mounts a FUSE file system with id `name` at `folder` (made if missing) and returns its
// descriptor. set-user-ID works below it, devices do not.
Result<UniqueFd> mount_fuse(const std::string& folder, const std::string& name);

}  // namespace devrun::keeper
