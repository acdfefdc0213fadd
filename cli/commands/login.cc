// `devrun login`: from a token to a certificate and a configuration, on a developer's own machine.
#include <fmt/format.h>

#include <filesystem>
#include <iostream>

#include "cli/client/identity_file.h"
#include "cli/commands/access_commands.h"
#include "cli/commands/connect.h"

namespace devrun::cli {

namespace {

constexpr Option kOptions[] = {
    {.name = "folder",
     .value = "DIR",
     .meaning = "where key, certificate and config.yaml go",
     .fallback = "~/.config/devrun",
     .example = "--folder ~/.config/devrun/lab"},
    kHelpOption,
};
constexpr Example kExamples[] = {
    {"devrun login 10.0.0.1:7444 devrun1.…", "the line that `devrun user add` has printed"},
    {"devrun login 10.0.0.1:7444", "asks for the token, which then is in no history of a shell"}};

Status only_outside(const Context& context) {
  if (!context.surroundings.is_in_container()) return ok();
  return Error{Code::kDenied,
               "this is a dev container or a job: who you are is known here, and no key lies here",
               "devrun login on your own machine"};
}

Result<std::string> default_folder(const Context& context) {
  if (const auto home = context.surroundings.variable("HOME")) return *home + "/.config/devrun";
  return Error{Code::kInvalid, "HOME is not set, so where should the key go?", "--folder DIR"};
}

Result<JoinToken> token_from(const std::string& word, const Context& context) {
  if (!word.empty()) return parse_join_token(word);
  context.console.say("the token, then Enter:");
  std::string line;
  std::getline(std::cin, line);
  while (!line.empty() && (line.back() == ' ' || line.back() == '\r')) line.pop_back();
  return parse_join_token(line);
}

Result<int> login(LoginWish wish, const std::string& word, Context& context) {
  TRY(only_outside(context));
  if (wish.folder.empty()) wish.folder = TRY(default_folder(context));
  wish.token = TRY(token_from(word, context));
  const Joined joined = TRY(log_in(wish));
  const auto home = default_folder(context);
  const bool is_found = home && *home == wish.folder;
  context.console.say(
      fmt::format("you are {} ({}) at {}; {} renews itself while devrun is used", joined.name,
                  joined.role, joined.controller, wish.folder + "/identity.pem"),
      is_found ? "devrun volume ls"
               : fmt::format("export DEVRUN_CONFIG={}/config.yaml", wish.folder));
  return 0;
}

Result<Action> parse(const Arguments& arguments) {
  if (arguments.has_dashes || arguments.words.empty() || arguments.words.size() > 2) {
    return Error{Code::kInvalid, "expected HOST:PORT and a token",
                 "the whole line that `devrun user add` has printed"};
  }
  LoginWish wish;
  wish.endpoint = arguments.words[0];
  TRY(grpc_address(wish.endpoint));
  const std::string word = arguments.words.size() == 2 ? arguments.words[1] : std::string();
  if (!word.empty()) TRY(parse_join_token(word));
  if (const auto folder = arguments.value("folder")) {
    std::error_code failed;
    wish.folder = std::filesystem::absolute(*folder, failed).string();
  }
  return Action([=](Context& context) { return login(wish, word, context); });
}

}  // namespace

Command login_command() {
  return {{.name = "login",
           .usage = {"login [--folder DIR] HOST:PORT [TOKEN]"},
           .purpose = "become a user of a cluster, with a token from its administrator",
           .text = "The key is made here and does not leave this machine. The token names the "
                   "cluster's authority, and\nis told to nobody else. It is good once.",
           .options = kOptions,
           .examples = kExamples},
          parse};
}

}  // namespace devrun::cli
