// From the command line to an action: whose are the words, devrun's or a program's?
#pragma once

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

// `arguments` without the program's own name.
Dispatched dispatch(const std::vector<std::string>& arguments);

// The whole of `devrun`: the exit status.
int run_devrun(const std::vector<std::string>& arguments, Context& context);

}  // namespace devrun::cli
