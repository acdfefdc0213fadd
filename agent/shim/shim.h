// devrun-shim: one per attempt, the parent of its container, in a session of its own, living through restarts of the
// agent. One thread, one epoll loop, no allocation that grows with the output.
//
//   go ──▶ crun ──▶ init says hello ──▶ started ──▶ ended ──▶ streams drained ──▶ `exit` written ──▶ agent told ──▶ leaves
//
// A session has one too, in a folder of its own within the attempt's (`exec.ID`): there init is not our child, its end
// is that of its control socket, and what its program has left running goes on.
//
// It serves `shim.sock` in the attempt's folder; an agent that connects takes over from the one before. It never writes
// to the container's file system.
#pragma once

#include <string>

#include "agent/shim/launch.h"
#include "common/base/result.h"

namespace devrun::shim {

struct ShimOptions {
  std::string folder;  // the attempt's
  LaunchOptions launch;
  uint64_t output_bytes_max = UINT64_MAX;  // of the log, but for its tail (output_log.h)
  int ready_fd = -1;                       // gets a byte when the socket is served
  int go_fd =
      -1;  // a byte from here lets crun run; closed without one: leave, nothing has happened
  Time
      lease_until;  // on boot_clock(); 0: no lease. The agent may renew it, and nobody else: see agent.proto
};

Result<ShimOptions> parse_shim_options(int argc, char** argv);
// To the end of the attempt.
Status run_shim(ShimOptions options);

}  // namespace devrun::shim
