// From the command line to an action: whose are the words, devrun's or a program's?
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "cli/commands/command.h"

namespace devrun::cli {

// What a wrong command line is answered with, status 2.
struct Misuse {
  Error error;
};
struct Text {
  std::string text;  // for stdout, status 0
};
using Dispatched = std::variant<Action, Text, Misuse>;

// Whether a command's name is also that of a program here: only then is a wrong command line perhaps the program's.
using IsProgram = std::function<bool(const std::string& name)>;

// `arguments` without the program's own name.
Dispatched dispatch(const std::vector<std::string>& arguments, const IsProgram& is_program);

// The whole of `devrun`: the exit status.
int run_devrun(const std::vector<std::string>& arguments, Context& context);

}  // namespace devrun::cli
