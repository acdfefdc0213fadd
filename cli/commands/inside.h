// What devrun does for a devrun outside when it is run in a job's container by `devrun cp` and `devrun port-forward`:
// `devrun --inside files PATH` sends a file or folder on stdout, `devrun --inside ports` connects to ports; `devrun launch`
// has `devrun --inside take PATH` write what comes on stdin, `devrun ssh-proxy` has `devrun --inside ssh` run an sshd
// (inside_ssh.h). No command for people; the two are of one version where the node has the caller's, and the streams begin with a mark or are framed, so
// that another version is told as such.
#pragma once

#include <string>
#include <vector>

#include "cli/commands/command.h"

namespace devrun::cli {

inline constexpr const char* kInsideOption = "--inside";
inline constexpr const char* kInsideSsh = "ssh";
inline constexpr const char* kInsideProgram = "/run/devrun/bin/devrun";

// `words` after --inside. The exit status.
int run_inside(const std::vector<std::string>& words, Context& context);

}  // namespace devrun::cli
