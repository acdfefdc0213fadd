#include "cli/commands/dispatch.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include "cli/commands/inside.h"
#include "cli/commands/program_path.h"
#include "cli/commands/run_options.h"
#include "cli/output/job_text.h"
#include "common/base/version.h"

namespace devrun::cli {

namespace {

using Strings = std::vector<std::string>;

std::vector<Help> helps_of(const std::vector<Command>& commands) {
  std::vector<Help> out;
  for (const Command& command : commands) out.push_back(command.help);
  return out;
}

Misuse misuse(Error error, std::string_view hint) {
  if (error.hint.empty()) error.hint = hint;
  return Misuse{std::move(error)};
}

// `before`: options that stood in front of the command's word.
Dispatched command_words(const Command& command, const Strings& before, const Strings& after,
                         const IsProgram& is_program) {
  const std::string name(command.help.name);
  Strings program{name};
  program.insert(program.end(), after.begin(), after.end());
  Strings instead = before;
  instead.push_back("--");
  instead.insert(instead.end(), program.begin(), program.end());
  const std::string as_program =
      is_program(name)
          ? fmt::format("devrun {}, to run a program of that name", command_line(instead))
          : std::string();
  if (std::ranges::count(after, "--help") + std::ranges::count(after, "-h") > 0 &&
      after.size() == 1) {
    return Text{render_help(command.help)};
  }
  if (command.parse == nullptr) {
    return Misuse{{Code::kUnsupported, fmt::format("`devrun {}` is not in this version yet", name),
                   as_program.empty() ? "devrun help" : as_program}};
  }
  Strings all = before;
  all.insert(all.end(), after.begin(), after.end());
  auto arguments = parse_arguments(all, command.help.options, command.words);
  if (arguments && arguments->has("help")) return Text{render_help(command.help)};
  auto action = arguments ? command.parse(*arguments) : Result<Action>(arguments.error());
  if (action) return std::move(*action);
  Error error = std::move(action).error().context(name);
  if (!arguments && command.instead_of != nullptr && error.hint.empty()) {
    error.hint = command.instead_of(all).value_or("");
  }
  if (error.hint.empty()) error.hint = fmt::format("devrun help {}", name);
  if (!as_program.empty()) error.hint += "; or " + as_program;
  return Misuse{std::move(error)};
}

Dispatched program_words(const Arguments& arguments, const Command& run) {
  if (arguments.has("help")) return Text{render_help(run.help)};
  auto action = run.parse(arguments);
  if (action) return std::move(*action);
  return misuse(std::move(action).error(), "devrun help run");
}

}  // namespace

Dispatched dispatch(const Strings& arguments, const IsProgram& is_program) {
  const std::vector<Command> commands = all_commands();
  const Command& run = commands.front();
  if (arguments.empty()) {
    return misuse({Code::kInvalid, "nothing to do: expected a program or a command", {}},
                  "devrun help");
  }
  auto parsed = parse_arguments(arguments, run.help.options, WordRule::kStopOptions);
  if (!parsed) return misuse(std::move(parsed).error(), "devrun help run");
  const bool alone = parsed->program.empty() && !parsed->has_dashes;
  if (alone && parsed->has("help")) return Text{render_overview(helps_of(commands))};
  if (parsed->has("version")) return Text{fmt::format("devrun {}\n", kVersion)};
  if (parsed->has_dashes || parsed->program.empty()) return program_words(*parsed, run);

  const std::string& word = parsed->program.front();
  const auto command =
      std::ranges::find_if(commands, [&](const Command& c) { return c.help.name == word; });
  if (command == commands.end()) return program_words(*parsed, run);
  const size_t options = arguments.size() - parsed->program.size();
  const Strings before(arguments.begin(), arguments.begin() + static_cast<ptrdiff_t>(options));
  const Strings after(parsed->program.begin() + 1, parsed->program.end());
  if (word != "run") return command_words(*command, before, after, is_program);

  Strings all = before;
  all.insert(all.end(), after.begin(), after.end());
  auto explicitly = parse_arguments(all, run.help.options, WordRule::kStopOptions);
  if (!explicitly) return misuse(std::move(explicitly).error().context("run"), "devrun help run");
  return program_words(*explicitly, run);
}

namespace {
std::string command_of(const Strings& arguments) {
  for (const Command& command : all_commands()) {
    if (!arguments.empty() && command.help.name == arguments.front()) return arguments.front();
  }
  return "run";
}

// For errors that come from so far below that they know no better.
std::string next_step(Code code, bool in_container, const Strings& arguments) {
  switch (code) {
    case Code::kDenied:
      if (in_container) return "the same as root, or on the host, outside of the container";
      return "the same as root, or inside a dev container (devrun shell)";
    case Code::kUnavailable:
    case Code::kTimeout:
      return "again in a moment; else devrun doctor";
    case Code::kIo:
    case Code::kExhausted:
    case Code::kCorrupt:
    case Code::kInternal:
      return "devrun doctor";
    default:
      return "devrun help " + command_of(arguments);
  }
}
}  // namespace

int run_devrun(const Strings& arguments, Context& context) {
  if (!arguments.empty() && arguments[0] == kInsideOption) {
    return run_inside({arguments.begin() + 1, arguments.end()}, context);
  }
  const std::string path = context.surroundings.variable("PATH").value_or("");
  Dispatched dispatched =
      dispatch(arguments, [&](const std::string& name) { return is_program(name, path); });
  if (const auto* wrong = std::get_if<Misuse>(&dispatched)) {
    context.console.say(wrong->error);
    return kStatusUsage;
  }
  if (const auto* text = std::get_if<Text>(&dispatched)) {
    if (const Status written = context.console.data(text->text); !written) return kStatusBrokenPipe;
    return 0;
  }
  const Result<int> status = std::get<Action>(dispatched)(context);
  if (status) return *status;
  if (status.error().code == Code::kCancelled) return kStatusBrokenPipe;
  Error error = status.error();
  if (error.hint.empty())
    error.hint =
        next_step(error.code, ::access(context.surroundings.socket.c_str(), F_OK) == 0, arguments);
  context.console.say(error);
  return kStatusDevrun;
}

}  // namespace devrun::cli
