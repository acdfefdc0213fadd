// The list of commands.
#include "cli/commands/access_commands.h"
#include "cli/commands/command.h"

namespace devrun::cli {

std::vector<Command> all_commands() {
  return {
      run_command(),          launch_command(),     ps_command(),        show_command(),
      logs_command(),         attach_command(),     wait_command(),      cancel_command(),
      explain_command(),      top_command(),        usage_command(),     volume_command(),
      snapshot_command(),     shell_command(),      exec_command(),      cp_command(),
      port_forward_command(), ssh_config_command(), ssh_proxy_command(), changes_command(),
      apply_command(),        undo_command(),       diff_command(),      rerun_command(),
      nodes_command(),        user_command(),       login_command(),     up_command(),
      down_command(),         doctor_command(),     backup_command(),    restore_command(),
      completion_command(),   help_command(),
  };
}

}  // namespace devrun::cli
