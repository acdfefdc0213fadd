// How `setup` and `run` become programs. Each text is run by an interactive bash as if it stood in a
// file (`bash -i FILE`), because only then do the usual guards in ~/.bashrc let conda and friends
// through, and because aliases and functions must exist in the very shell that runs the text. What
// that costs, and what is done about it:
//
// - bash -i without a terminal complains on stderr: its stderr is /dev/null until the prologue puts
//   the real one back.
// - bash -i reads ~/.bashrc by itself as well: --norc, the prologue reads it once.
// - History expansion would mangle "done!": +H.
// - An interactive bash ignores TERM and, if it finds a terminal, runs every command in a process
//   group of its own: the prologue sets +m, so that a signal to the group reaches the programs, and
//   traps that end the shell with 128+N once its current command has ended. USR1 and USR2, which go
//   to the shell alone, do nothing to it: a program that wants them is started by `exec`.
// - The text stands in the environment and not in argv, where `pkill -f train.py` would find it and
//   an argument may have at most 128 KiB. Bash reads it from descriptor 8.
// - ~/.bashrc may set variables that the file's envs set: the prologue saves those first and exports
//   them again after it. Values, secrets above all, are in no text and no argument.
//
// No `set -e`: the status is the last command's. stdin is /dev/null. Both programs want the same
// environment, so that setup and run can be two programs of one attempt.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cli/launch/places_script.h"
#include "cli/launch/plan.h"
#include "common/base/result.h"

namespace devrun::launch {

// All variables together, as the controller takes them (client.proto, SubmitRequest.env).
inline constexpr size_t kScriptsBytesMax = size_t{900} << 10;

struct Scripts {
  std::vector<std::string> setup;  // argv; empty: no setup
  std::vector<std::string> run;    // argv; empty: nothing to run
  std::vector<Value> env;          // to be laid over the caller's environment, later ones win
};

// `workdir`: where the task's files are in the job, absolute; ~/sky_workdir becomes a link to it.
// Empty: ~/sky_workdir is a folder of the job's own, made if it is missing. `places` are seen to before the text of
// setup, or of run if `with_setup` is false or there is none.
Result<Scripts> build_scripts(const TaskPlan& task, const std::string& workdir,
                              const std::vector<PlaceStep>& places = {}, bool with_setup = true);

// The text that runs before the user's, for docs and tests.
std::string_view script_prologue();

}  // namespace devrun::launch
