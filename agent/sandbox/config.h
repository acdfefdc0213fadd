// The OCI configuration of an attempt's container. The program itself is not in it (agent/shim/container_order.h): what crun
// starts is our init.
#pragma once

#include <array>
#include <set>
#include <string>
#include <string_view>

#include "agent/gpu/grant.h"
#include "agent/sandbox/bound.h"
#include "agent/sandbox/places.h"
#include "common/model/attempt.h"

namespace devrun::sandbox {

// Docker's list without NET_BIND_SERVICE, NET_RAW and MKNOD (apt-get works with these), and SYS_PTRACE for gdb and py-spy,
// which the pid namespace confines to the container.
inline constexpr std::array<std::string_view, 12> kCapabilities = {
    "CAP_AUDIT_WRITE", "CAP_CHOWN",  "CAP_DAC_OVERRIDE", "CAP_FOWNER",
    "CAP_FSETID",      "CAP_KILL",   "CAP_SETFCAP",      "CAP_SETGID",
    "CAP_SETPCAP",     "CAP_SETUID", "CAP_SYS_CHROOT",   "CAP_SYS_PTRACE"};

struct ConfigInput {
  const AttemptSpec& spec;
  const Places& places;
  std::string node;
  std::string run_folder;    // bound at /run/devrun
  std::string shim_program;  // bound at /run/devrun/init
  std::string
      devrun_program;  // bound at /run/devrun/bin/devrun, and at /usr/local/bin/devrun if `devrun_in_tree`
  bool tmp_in_tree = false;  // /tmp is the tree's
  bool var_tmp_in_tree = false;
  bool devrun_in_tree = false;
  bool ssh_config_in_tree = false;  // ssh finds the other ranks by it
  bool cgroup2 = false;             // show the container its own
  std::string seccomp;              // compile_seccomp; empty: none
  gpu::Grant grant = {};
  std::vector<BoundFolder> bound = {};
  std::set<uint32_t> more_groups = {};      // beside the caller's
  std::vector<std::string> skipped_mounts;  // of kMountedFiles: their places are not there
};

std::string container_config(const ConfigInput& input);

}  // namespace devrun::sandbox
