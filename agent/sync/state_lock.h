// One agent per state folder: two would each release what the other started. Held by a lock on `lock` in the folder,
// which the kernel drops with the process, however it ends.
#pragma once

#include <string>

#include "common/base/result.h"
#include "common/runtime/fd.h"

namespace devrun::agent {

// What devrun-agent exits with when another one has the folder (1: any other failure, 2: usage).
inline constexpr int kStatusStateTaken = 3;

// Held until the descriptor is closed. Waits a moment for one that is just ending. kConflict: another agent runs.
Result<UniqueFd> lock_state(const std::string& state_folder);

}  // namespace devrun::agent
