// A node's devrun-fs, which its keeper runs and starts again whenever it ends: telling the keeper
// what to run, and changing what runs for another build while jobs go on.
#pragma once

#include <string>

#include "cli/cluster/daemon.h"
#include "common/base/result.h"

namespace devrun::cluster {

// Why the node has to start anew, if it has to: its keeper runs and has given devrun-fs up. Empty:
// it has not.
std::string why_files_are_lost(const Layout& layout, const std::string& node);

// Whether the devrun-fs that runs can be exchanged for `fs` under the jobs that it serves: both read
// the same format of what the one leaves to the other. True if none runs.
bool can_take_over(const Layout& layout, const Daemon& fs);

// Has the node's keeper run it. One that runs otherwise (another build, other words) is ended, and
// this one takes its mounts over.
Status ensure_fs(const Layout& layout, const std::string& node, const Daemon& fs);

// Waits until it serves; an error with the end of its log if it does not.
Status await_fs(const Layout& layout, const std::string& node, const Daemon& fs);

}  // namespace devrun::cluster
