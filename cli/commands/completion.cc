// `devrun completion`: for shells, from the same tables that the parser reads.
#include <fmt/format.h>

#include <array>

#include "cli/commands/connect.h"
#include "common/base/shell_words.h"

namespace devrun::cli {

namespace {

constexpr Option kOptions[] = {kHelpOption};
constexpr Example kExamples[] = {
    {"devrun completion bash > /etc/bash_completion.d/devrun", "for all users of bash"},
    {"devrun completion zsh > ~/.zfunc/_devrun", "with ~/.zfunc in fpath"},
    {"devrun completion fish > ~/.config/fish/completions/devrun.fish", "for fish"}};

std::string option_words(const Help& help) {
  std::string out;
  for (const Option& option : help.options) {
    if (!option.supported) continue;
    if (!out.empty()) out += ' ';
    out += fmt::format("--{}", option.name);
  }
  return out;
}

std::string command_words() {
  std::string out;
  for (const Command& command : all_commands()) {
    if (!command.help.supported) continue;
    if (!out.empty()) out += ' ';
    out += command.help.name;
  }
  return out;
}

// Options of the command that the line names, else those of `run`; commands as the first word; else
// files and, for a program, its own completion.
std::string bash() {
  std::string cases;
  for (const Command& command : all_commands()) {
    if (!command.help.supported || command.help.name == "run") continue;
    cases +=
        fmt::format("    {}) options=\"{}\" ;;\n", command.help.name, option_words(command.help));
  }
  return fmt::format(R"(_devrun() {{
  local word=${{COMP_WORDS[COMP_CWORD]}} options commands="{}"
  case ${{COMP_WORDS[1]}} in
{}    *) options="{}" ;;
  esac
  if [[ $word == -* ]]; then
    COMPREPLY=($(compgen -W "$options" -- "$word"))
  elif ((COMP_CWORD == 1)); then
    COMPREPLY=($(compgen -W "$commands" -- "$word") $(compgen -c -- "$word"))
  else
    COMPREPLY=($(compgen -f -- "$word"))
  fi
}}
complete -o filenames -F _devrun devrun
)",
                     command_words(), cases, option_words(run_command().help));
}

std::string zsh() {
  std::string commands;
  std::string cases;
  for (const Command& command : all_commands()) {
    if (!command.help.supported) continue;
    commands += fmt::format(
        "    {}\n", single_quoted(fmt::format("{}:{}", command.help.name, command.help.purpose)));
    if (command.help.name == "run") continue;
    cases +=
        fmt::format("    {}) options=({}) ;;\n", command.help.name, option_words(command.help));
  }
  return fmt::format(R"(#compdef devrun
_devrun() {{
  local -a commands options
  commands=(
{}  )
  case $words[2] in
{}    *) options=({}) ;;
  esac
  if [[ $PREFIX == -* ]]; then
    compadd -- $options
  elif ((CURRENT == 2)); then
    _describe command commands
    _command_names -e
  else
    _files
  fi
}}
compdef _devrun devrun
)",
                     commands, cases, option_words(run_command().help));
}

std::string fish() {
  std::string out = "complete -c devrun -n __fish_use_subcommand -a '(__fish_complete_command)'\n";
  for (const Command& command : all_commands()) {
    const Help& help = command.help;
    if (!help.supported) continue;
    const bool is_run = help.name == "run";
    const std::string when = is_run ? "__fish_use_subcommand"
                                    : fmt::format("'__fish_seen_subcommand_from {}'", help.name);
    out += fmt::format("complete -c devrun -n __fish_use_subcommand -a {} -d {}\n", help.name,
                       single_quoted(help.purpose));
    for (const Option& option : help.options) {
      if (!option.supported) continue;
      const std::string letter =
          option.letter != 0 ? fmt::format(" -s {}", option.letter) : std::string();
      out += fmt::format("complete -c devrun -n {} -l {}{}{} -d {}\n", when, option.name, letter,
                         option.value.empty() ? "" : " -r", single_quoted(option.meaning));
    }
  }
  return out;
}

Result<Action> parse(const Arguments& arguments) {
  const std::string shell =
      arguments.words.size() == 1 && !arguments.has_dashes ? arguments.words[0] : "";
  if (shell != "bash" && shell != "zsh" && shell != "fish") {
    return Error{Code::kInvalid, "expected one shell: bash, zsh or fish", {}};
  }
  return Action([=](Context& context) -> Result<int> {
    TRY(context.console.data(shell == "bash" ? bash() : shell == "zsh" ? zsh() : fish()));
    return 0;
  });
}

}  // namespace

Command completion_command() {
  return {{.name = "completion",
           .usage = {"completion bash|zsh|fish"},
           .purpose = "completion for a shell",
           .text = {},
           .options = kOptions,
           .examples = kExamples},
          parse};
}

}  // namespace devrun::cli
