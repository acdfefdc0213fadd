// Which devices the processes of an attempt may open: the harmless ones that every container has, and those of its grant.
// A container has no other device nodes and cannot make any (no MKNOD, nodev), so that this is a second wall: for a node
// that comes in by a descriptor, or by a mount that an administrator allowed.
//
// cgroup v1: the devices controller. v2: a BPF program on the attempt's cgroup, which crun would load, but crun leaves
// cgroups alone here (cgroups.h).
#pragma once

#include <span>
#include <string>
#include <vector>

#include "agent/gpu/grant.h"
#include "agent/sandbox/cgroups.h"

namespace devrun::sandbox {

// Before anything runs in the attempt's cgroups. Returns those that it made. Where neither is there: none, with a line in
// the log.
std::vector<std::string> make_device_rules(const CgroupHost& host, const std::string& parent,
                                           const std::string& name,
                                           std::span<const gpu::DeviceNode> granted);

}  // namespace devrun::sandbox
