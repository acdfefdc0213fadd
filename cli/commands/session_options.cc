#include "cli/commands/session_options.h"

#include <fcntl.h>

#include "cli/client/caller.h"
#include "cli/client/detach_keys.h"
#include "cli/client/terminal.h"

namespace devrun::cli {

Result<SessionOptions> read_session_options(const Arguments& arguments) {
  SessionOptions out;
  out.no_stdin = arguments.has("no-stdin");
  out.quiet = arguments.has("quiet");
  if (arguments.has("tty")) out.tty = TtyChoice::kAlways;
  if (arguments.has("no-tty")) out.tty = TtyChoice::kNever;
  out.env = arguments.values("env");
  out.folder = arguments.value("chdir").value_or("");
  const std::string keys = arguments.value("detach-keys").value_or(std::string(kDefaultDetachKeys));
  out.detach_keys = TRY(parse_detach_keys(keys));
  return out;
}

Status check_terminal(const SessionOptions& options, const Context& context) {
  if (options.tty != TtyChoice::kAlways || is_terminal(context.in)) return ok();
  return Error{Code::kInvalid, "-t needs a terminal, and stdin is none", "the same without -t"};
}

void set_streams(Program& program, const SessionOptions& options, const Context& context) {
  const bool terminals = is_terminal(context.in) && is_terminal(context.console.out());
  program.tty = !options.no_stdin && options.tty != TtyChoice::kNever &&
                (options.tty == TtyChoice::kAlways || terminals);
  if (program.tty) program.terminal = terminal_size(context.in);
  program.reads_stdin = !options.no_stdin && ::fcntl(context.in, F_GETFD) >= 0;
}

Result<std::string> session_environment(std::vector<std::string> first, const Program& program,
                                        const SessionOptions& options, const Context& context) {
  const Surroundings& here = context.surroundings;
  if (program.tty) first.push_back("TERM=" + here.variable("TERM").value_or("xterm"));
  for (const std::string& setting : options.env) {
    const bool has_value = setting.find('=') != std::string::npos;
    const auto value = here.variable(setting);
    if (has_value) first.push_back(setting);
    if (!has_value && value) first.push_back(setting + "=" + *value);
  }
  return environment_block({}, first);
}

Following session_following(const TaskKey& task, const SessionOptions& options, SessionWish wish) {
  Following out;
  out.task = task;
  out.write_stdin = wish.program.reads_stdin;
  out.tty = wish.program.tty;
  out.detach_keys = options.detach_keys;
  out.patient = true;
  out.quiet = options.quiet;
  out.session = std::move(wish);
  return out;
}

}  // namespace devrun::cli
