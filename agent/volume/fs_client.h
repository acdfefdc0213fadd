// The agent's side of devrun-fs's control socket.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>

#include "common/base/result.h"
#include "common/model/job.h"

namespace devrun {

// Longer than the keeper needs to start a devrun-fs that died.
inline constexpr std::chrono::milliseconds kFsAbsenceMax{30'000};

// Makes the tree of `root` (not a live one) appear and returns the folder in which it is mounted,
// usable as an overlay's lower layer. Blocks until its root can be looked up; a new connection per
// call, any thread. A devrun-fs that is away, or dies while it is asked, is asked again for
// `absence_max`. kUnavailable: devrun-fs or the store is away; kNotFound: the store has no such
// tree.
Result<std::string> fs_prepare(const std::string& control_socket, const Root& root,
                               std::chrono::milliseconds absence_max = kFsAbsenceMax);

// Counters by name: upcall.lookup, upcall.read, nfs.read, nfs.bytes_read, …
Result<std::map<std::string, uint64_t>> fs_statistics(const std::string& control_socket);

}  // namespace devrun
