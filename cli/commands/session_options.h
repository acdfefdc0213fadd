// What `shell` and `exec` have in common: the streams, folder and variables of a session, from options to its program.
#pragma once

#include <string>
#include <vector>

#include "cli/commands/attached_run.h"
#include "cli/commands/run_options.h"

namespace devrun::cli {

struct SessionOptions {
  bool no_stdin = false;
  bool quiet = false;
  TtyChoice tty = TtyChoice::kIfTerminals;
  std::vector<std::string> env;  // K=V or K
  std::string folder;            // -C
  std::string detach_keys;       // bytes
};

Result<SessionOptions> read_session_options(const Arguments& arguments);
// kInvalid for -t without a terminal.
Status check_terminal(const SessionOptions& options, const Context& context);
// Streams and terminal of the program.
void set_streams(Program& program, const SessionOptions& options, const Context& context);
// `first`, then TERM of a terminal, then what -e says.
Result<std::string> session_environment(std::vector<std::string> first, const Program& program,
                                        const SessionOptions& options, const Context& context);
Following session_following(const TaskKey& task, const SessionOptions& options, SessionWish wish);

// The options themselves, for the tables of both.
inline constexpr Option kSessionEnvOption{
    .letter = 'e',
    .name = "env",
    .value = "K[=V]",
    .meaning = "set a variable, or take one over; may be repeated",
    .example = "-e EDITOR=vim"};
inline constexpr Option kSessionTtyOption{.letter = 't',
                                          .name = "tty",
                                          .meaning = "with a terminal",
                                          .fallback = "if stdin and stdout are terminals",
                                          .example = "-t"};
inline constexpr Option kSessionNoTtyOption{
    .letter = 'T', .name = "no-tty", .meaning = "without a terminal", .example = "-T"};
inline constexpr Option kSessionNoStdinOption{
    .name = "no-stdin", .meaning = "leave our stdin alone", .example = "--no-stdin"};
inline constexpr Option kSessionKeysOption{.name = "detach-keys",
                                           .value = "KEYS",
                                           .meaning = "the keys that leave a terminal",
                                           .fallback = "ctrl-\\,d",
                                           .example = "--detach-keys ctrl-p,ctrl-q"};
inline constexpr Option kSessionQuietOption{
    .letter = 'q', .name = "quiet", .meaning = "no words but errors", .example = "-q"};

}  // namespace devrun::cli
