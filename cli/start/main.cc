// devrun-start: what services run (deploy/systemd). It reads a configuration file, makes ready what a daemon needs, and
// becomes that daemon.
//
//   devrun-start ROLE [--config FILE]
//   devrun-start [ROLE] --check-config [--config FILE]     says all that is wrong with it; without a role, of all that are there
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <optional>

#include "cli/output/console.h"
#include "cli/start/roles.h"
#include "common/base/suggest.h"
#include "common/base/version.h"

namespace devrun::start {
namespace {

constexpr int kUsage = 2;

struct Arguments {
  const Role* role = nullptr;
  std::string config;
  bool check = false;
};

std::string usage() {
  std::string out =
      "usage: devrun-start ROLE [--config FILE]\n"
      "       devrun-start [ROLE] --check-config [--config FILE]\n\nroles:\n";
  for (const Role& role : roles()) {
    out += fmt::format("  {:<15} {} ({})\n", role.name, role.purpose, role.config);
  }
  return out;
}

Result<const Role*> role_called(const std::string& word) {
  std::vector<std::string_view> names;
  for (const Role& role : roles()) {
    if (role.name == word) return &role;
    names.push_back(role.name);
  }
  const auto nearest = nearest_word(word, names);
  return Error{Code::kInvalid,
               fmt::format("there is no role '{}'{}", word,
                           nearest ? fmt::format(", did you mean '{}'?", *nearest) : ""),
               "devrun-start --help"};
}

Result<Arguments> parse(const std::vector<std::string>& words) {
  Arguments out;
  for (size_t i = 0; i < words.size(); ++i) {
    if (words[i] == "--check-config") {
      out.check = true;
    } else if (words[i] == "--config") {
      if (++i == words.size()) {
        return Error{Code::kInvalid, "--config needs a file", "devrun-start --help"};
      }
      out.config = words[i];
    } else if (out.role == nullptr) {
      out.role = TRY(role_called(words[i]));
    } else {
      return Error{Code::kInvalid, fmt::format("'{}' is one word too many", words[i]),
                   "devrun-start --help"};
    }
  }
  if (out.role == nullptr && (!out.check || !out.config.empty())) {
    return Error{Code::kInvalid, "which role?", "devrun-start --help"};
  }
  if (out.role != nullptr && out.config.empty()) out.config = out.role->config;
  return out;
}

int say(const Error& error) {
  cli::Console(STDOUT_FILENO, STDERR_FILENO).say(error);
  return 125;
}

int check(const Role& role, const std::string& file) {
  const Status done = check_config(role, file);
  if (!done) return say(done.error());
  fmt::print("ok  {}\n", file);
  return 0;
}

int check_all_there_are() {
  int status = 0;
  bool any = false;
  std::string_view before;
  for (const Role& role : roles()) {
    std::error_code failed;
    if (role.config == before || !std::filesystem::exists(role.config, failed)) continue;
    before = role.config;
    any = true;
    status = std::max(status, check(role, std::string(role.config)));
  }
  if (any) return status;
  return say({Code::kNotFound, "there is no configuration in /etc/devrun",
              "docs/install.md, which says how a machine becomes a controller's or a node"});
}

int become(const Program& program) {
  for (const std::string& variable : program.environment) {
    const size_t equals = variable.find('=');
    ::setenv(variable.substr(0, equals).c_str(), variable.substr(equals + 1).c_str(), 1);
  }
  std::vector<char*> argv;
  for (const std::string& word : program.words) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  ::execv(argv.front(), argv.data());
  return say({Code::kIo, fmt::format("{}: {}", program.words.front(), std::strerror(errno)), {}});
}

int run(const std::vector<std::string>& words) {
  if (words == std::vector<std::string>{"--version"}) {
    fmt::print("devrun-start {}\n", kVersion);
    return 0;
  }
  if (words == std::vector<std::string>{"--help"}) {
    fmt::print("{}", usage());
    return 0;
  }
  const Result<Arguments> arguments = parse(words);
  if (!arguments) {
    say(arguments.error());
    return kUsage;
  }
  if (arguments->check && arguments->role == nullptr) return check_all_there_are();
  if (arguments->check) return check(*arguments->role, arguments->config);
  const Result<Program> program = arguments->role->prepare(arguments->config);
  if (!program) return say(program.error());
  return program->words.empty() ? 0 : become(*program);
}

}  // namespace
}  // namespace devrun::start

int main(int argc, char** argv) {
  const int status = devrun::start::run({argv + 1, argv + argc});
  std::fflush(stdout);
  return status;
}
