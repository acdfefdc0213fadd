// The commands. Each has its help text and its parser in one file; parsing gives an action, and
// only the action does anything, so that a wrong command line (status 2) never begins to do
// something.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>

#include "cli/client/surroundings.h"
#include "cli/commands/arguments.h"
#include "cli/help/help.h"
#include "cli/output/console.h"
#include "cli/output/ending_text.h"
#include "common/base/result.h"

namespace devrun::cli {

struct Context {
  Surroundings surroundings;
  Console& console;
  int in = 0;
};

// The exit status; an Error is said and becomes 125.
using Action = std::function<Result<int>(Context&)>;
using Parse = Result<Action> (*)(const Arguments&);

struct Command {
  Help help;
  Parse parse = nullptr;  // null: known, and not in this version
  // kStopOptions: its first word begins what is another program's, all in `program`.
  WordRule words = WordRule::kBetween;
  // Of options that it does not have and people may bring along from elsewhere: what to do here instead of the first of them;
  // nothing: none is known. Null: there are no such options.
  std::optional<std::string> (*instead_of)(std::span<const std::string> arguments) = nullptr;
};

// One function per file of this folder.
Command run_command();
Command launch_command();
Command ps_command();
Command show_command();
Command logs_command();
Command attach_command();
Command cancel_command();
Command wait_command();
Command explain_command();
Command top_command();
Command usage_command();
Command volume_command();
Command snapshot_command();
Command shell_command();
Command exec_command();
Command cp_command();
Command port_forward_command();
Command ssh_config_command();
Command ssh_proxy_command();
Command rerun_command();
Command diff_command();
Command changes_command();
Command apply_command();
Command undo_command();
Command nodes_command();
Command up_command();
Command down_command();
Command doctor_command();
Command backup_command();
Command restore_command();
Command completion_command();
Command help_command();

// All, in the order of the overview.
std::vector<Command> all_commands();

}  // namespace devrun::cli
