// What a task needs from here and its volume does not have (a workdir on a laptop, a clone of a repository): brought by a
// job of its own, which writes what it reads from us into its file system and ends. The task then starts after that job,
// and so sees it: what jobs wrote is laid over the snapshot of those that wait for them. Nothing of it comes home.
//
// The same content for the same place is brought once: the job has its hash as a label, and is found by that for as long
// as kUploadKept.
#pragma once

#include <map>
#include <string>

#include "cli/client/controller.h"
#include "cli/client/signals.h"
#include "cli/commands/command.h"

namespace devrun::cli {

inline constexpr Duration kUploadKept = seconds(12 * 3600);

struct UploadWish {
  std::string from;    // a folder or file here
  std::string volume;  // of the task
  std::string to;      // in the task, absolute
  Caller caller;
  bool whole = false;  // also what .skyignore or .gitignore name, and .git
};

// The job that brings it, which has succeeded.
Result<JobId> upload(Controller& controller, Context& context, Signals& signals,
                     const UploadWish& wish);

}  // namespace devrun::cli
