// The agent's side of devrun-fs's control socket.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "common/base/result.h"
#include "common/model/job.h"
#include "common/wire/node_calls.h"

namespace devrun {

// Longer than the keeper needs to start a devrun-fs that died.
inline constexpr std::chrono::milliseconds kFsAbsenceMax{30'000};

// Makes the tree of `root` (not a live one) appear and returns the folder in which it is mounted, and
// the folders that an overlay should have for lower layers to show the same faster (node_calls.h). Blocks until its root
// can be looked up; a new connection per call, any thread. A devrun-fs that is away, or dies while it is asked, is asked
// again for `absence_max`. kUnavailable: the store is away; kTimeout: devrun-fs is; kNotFound: the store has no such tree;
// kCancelled: `given_up`, asked every 100 ms, said so. `run` is what will run in it, from now until fs_end_run (no id:
// nothing that is told); what such a run is known to read is fetched meanwhile.
Result<wire::FsTreePath> fs_prepare(const std::string& control_socket, const Root& root,
                                    std::chrono::milliseconds absence_max = kFsAbsenceMax,
                                    const wire::FsRun& run = {},
                                    const std::function<bool()>& given_up = {});

// The run is over, or has begun long ago: what it read first that was not known of it, as
// encode_trace makes it; empty: nothing. Idempotent.
Result<std::string> fs_end_run(const std::string& control_socket, const std::string& run_id);

// As fs_prepare, for a step whose reads are to be known: the tree appears with folders of its own, and what is asked of it
// is noted (agent/volume/watches.h) under `watch`, unique on the node.
Result<wire::FsTreePath> fs_prepare_watched(const std::string& control_socket, const Root& root,
                                            const std::string& watch,
                                            const std::function<bool()>& given_up = {});
// What was asked so far, as encode_reads makes it. kNotFound: it is not known (any more).
Result<std::string> fs_watched(const std::string& control_socket, const std::string& watch);

// Counters by name: upcall.lookup, upcall.read, nfs.read, nfs.bytes_read, …
Result<std::map<std::string, uint64_t>> fs_statistics(const std::string& control_socket);

}  // namespace devrun
