// Names that several steps must agree on: the container's hostname, and the places in its tree over which the sandbox
// mounts, so that nothing that lies there is the job's.
#pragma once

#include <array>
#include <string>
#include <string_view>

#include "common/model/attempt.h"

namespace devrun::sandbox {

inline constexpr std::array<std::string_view, 6> kMountedFolders = {"/proc", "/sys", "/dev",
                                                                    "/run",  "/tmp", "/var/tmp"};
inline constexpr std::array<std::string_view, 3> kMountedFiles = {"/etc/resolv.conf", "/etc/hosts",
                                                                  "/etc/hostname"};
inline constexpr std::string_view kDevrunInTree = "/usr/local/bin/devrun";

// node1-42, node1-42-3 for a task or .R for a rank; a dev container is called after its volume.
std::string container_hostname(const AttemptSpec& spec, const std::string& node);

}  // namespace devrun::sandbox
