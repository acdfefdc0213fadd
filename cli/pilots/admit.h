// How a pilot gets its join token: through a folder of its own on its node, which root alone can read, for as long as it waits.
// devrun-slurm on the controller's side makes the token when the allocation runs, good for five minutes and one key, and hands
// it to a step of that allocation by stdin; the step leaves it here. So it is on no command line, in no environment, in no
// batch script, and neither slurmctld nor an accounting database ever has it.
#pragma once

#include <string>

#include "common/base/result.h"
#include "common/base/time.h"
#include "common/runtime/fd.h"

namespace devrun::pilots {

inline constexpr int kStatusAdmittedBefore = 17;

// /run/devrun-slurm/JOB
std::string waiting_folder(uint64_t job);

// The step: takes what stdin says to the pilot of this job, which may be about to begin. kConflict: it has joined before.
Status admit(uint64_t job, int input);

// ── the pilot's side ──
struct Secret {
  std::string endpoint;  // HOST:PORT at which the token is good
  std::string token;
};
std::string to_text(const Secret& secret);
Result<Secret> parse_secret(const std::string& text);

// Makes the folder, and removes those of pilots that were killed. Held for as long as the descriptor is open.
Result<UniqueFd> make_waiting_folder(uint64_t job);
// Leaves no token behind. kTimeout: none came. `stop`: looked at now and then, kCancelled.
Result<Secret> await_secret(uint64_t job, Duration at_most, bool (*stop)());
Status note_joined(uint64_t job);
void remove_waiting_folder(uint64_t job);

}  // namespace devrun::pilots
