// Keeps containers from the store's NFS server, which believes whoever speaks to it: a BPF program on the attempt's cgroup
// (v2) refuses connections to it. Needs a cgroup2 mount and BPF; where there is none, the server still asks for a
// privileged port, which containers cannot bind (docs/security.md).
#pragma once

#include <string>

#include "agent/sandbox/cgroups.h"
#include "common/base/result.h"

namespace devrun::sandbox {

// `server`: an IPv4 address and port, as 127.0.0.1:7449. Before anything runs in the cgroup at `folder`.
Status guard_store(const std::string& folder, const std::string& server);

// The folder of cgroup v2 that an attempt has for programs alone, where its limits are in v1; made. Empty if v2 is not
// mounted, or has the limits, too.
std::string make_guard_cgroup(const CgroupHost& host, const std::string& parent,
                              const std::string& name);

}  // namespace devrun::sandbox
