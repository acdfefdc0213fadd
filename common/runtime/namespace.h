// Mount namespaces that outlive their users: a keeper process pins one, others enter it through the
// keeper's socket.
#pragma once

#include <string>

#include "common/base/result.h"
#include "common/runtime/fd.h"

namespace devrun {

// The mount namespace of whoever serves `socket` (SO_PEERCRED, then /proc/PID/ns/mnt).
Result<UniqueFd> mount_namespace_of(const std::string& socket);

// Enters it, then goes to `/`. Only while the process has one thread: first thing in main.
Status enter_mount_namespace_of(const std::string& socket);

}  // namespace devrun
