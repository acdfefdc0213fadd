// The list of commands, and those of the contract that this version does not have.
#include "cli/commands/command.h"

namespace devrun::cli {

namespace {

Command not_yet(std::string_view name, std::string_view usage, std::string_view purpose) {
  return {{.name = name,
           .usage = {usage},
           .purpose = purpose,
           .text = {},
           .options = {},
           .examples = {},
           .supported = false},
          nullptr};
}

}  // namespace

std::vector<Command> all_commands() {
  return {
      run_command(),
      launch_command(),
      ps_command(),
      show_command(),
      logs_command(),
      attach_command(),
      wait_command(),
      cancel_command(),
      explain_command(),
      top_command(),
      volume_command(),
      snapshot_command(),
      shell_command(),
      exec_command(),
      cp_command(),
      port_forward_command(),
      nodes_command(),
      up_command(),
      down_command(),
      doctor_command(),
      completion_command(),
      help_command(),
      not_yet("rerun", "rerun JOB [-- CMD…]", "run again, in the very same snapshot"),
      not_yet("diff", "diff JOB [JOB|VOLUME]",
              "what differs between the file systems of two runs, or a run and now"),
      not_yet("changes", "changes JOB[#ATTEMPT]", "what an attempt wrote: its change set"),
      not_yet("apply", "apply [--beside] JOB [PATH…]",
              "take a change set, or more of it, into the volume"),
      not_yet("undo", "undo JOB", "take a change set out of the volume again"),
  };
}

}  // namespace devrun::cli
