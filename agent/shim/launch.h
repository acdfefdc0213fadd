// Starting the container: the program's pipes, the control socket to its init, and crun, which is told everything by
// the bundle's config.json. crun's own words go to a log, never to the program's streams: those pass through crun as
// extra descriptors and become 0, 1 and 2 in init (container_init.h).
//
// A session is started in a container that runs: the shim of its attempt lends the control socket of the container's
// init (`sessions.sock`), which gets the session's own descriptors over it and forks. So a session is in the container
// exactly as its init is: namespaces, cgroup, capabilities, seccomp, limits. Measured
// on a busy machine: `crun exec … true` alone takes 6 to 15 ms; all of `devrun shell -- true`, from the start of its process
// to its end, 16 to 25.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "agent/shim/container_init.h"
#include "agent/shim/container_order.h"
#include "common/base/result.h"
#include "common/model/job.h"
#include "common/runtime/fd.h"

namespace devrun::shim {

struct LaunchOptions {
  std::string crun = "crun";
  std::string crun_root;  // crun's own state
  std::string bundle;
  std::string id;
  std::string log;                   // crun's
  std::vector<std::string> cgroups;  // folders that the container's processes are put into
  std::string order_path;            // container_order.h
  ContainerOrder order;              // the same, read
  std::string join;                  // of a session: `sessions.sock` of its attempt; else empty
};

struct Launched {
  pid_t crun = 0;
  UniqueFd go;       // a byte lets crun run; closing it without one ends the child
  UniqueFd control;  // to init
  UniqueFd out;      // ends of the pipes; not with a tty
  UniqueFd err;
  UniqueFd in;
};

// Forks the process that becomes crun and lets it enter the cgroups at once, which can take 9 ms (the kernel waits for a
// grace period when the last such move is some time ago): callers launch early and give the byte when the root is there.
Result<Launched> launch(const LaunchOptions& options);

// A session instead: what follows is what init says, as after crun.
Result<Launched> launch_session(const LaunchOptions& options);
// What an init gets, from kControlFd on; our ends go to `out`.
Result<std::vector<UniqueFd>> make_handover(const LaunchOptions& options, Launched& out);

struct InitNews {
  InitMessage message;
  pid_t pid = 0;    // of init, as seen from here
  UniqueFd master;  // of the pty
};
// Non-blocking: kTimeout if there is nothing yet, kUnavailable when init is gone.
Result<InitNews> receive_from_init(int control);

// What crun's log says went wrong, in one line.
std::string crun_reason(const std::string& log);

Ending ending_of_status(int wait_status);
Ending ending_of_failure(const InitMessage& failed, const ContainerOrder& order, bool in_setup);

}  // namespace devrun::shim
