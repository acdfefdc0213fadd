// `devrun ssh-config`: what makes plain ssh reach dev containers and jobs: keys, and a configuration that leads to
// `devrun ssh-proxy`. Of the user's own configuration it touches nothing but one line that it asks for.
#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>

#include "cli/client/caller.h"
#include "cli/client/ssh_keys.h"
#include "cli/commands/ask.h"
#include "cli/commands/connect.h"
#include "cli/commands/ssh_hosts.h"
#include "common/runtime/file.h"

namespace devrun::cli {

namespace {

constexpr Option kOptions[] = {
    {.name = "write",
     .meaning = "write it to ~/.ssh/devrun.conf, which ~/.ssh/config is to include",
     .example = "--write"},
    {.name = "yes", .meaning = "--write: add that line without asking", .example = "--yes"},
    {.name = "user",
     .value = "NAME",
     .meaning = "who you are there, unless you say NAME@HOST",
     .fallback = "root for administrators, else your name here",
     .example = "--user root"},
    kHelpOption,
};
constexpr Example kExamples[] = {
    {"devrun ssh-config --write", "once; then: ssh ada.devrun, scp x 42.devrun:, VS Code, …"},
    {"devrun ssh-config > conf; ssh -F conf ada.devrun", "without touching ~/.ssh"}};

constexpr size_t kConfigBytesMax = 4 << 20;
constexpr size_t kVolumesNamedMax = 100;

struct ConfigWish {
  bool write = false;
  bool yes = false;
  std::string user;
};

Result<std::string> home_of(const Context& context) {
  if (const auto home = context.surroundings.variable("HOME")) return *home;
  return Error{Code::kInvalid, "HOME is not set, so where is ssh's configuration?",
               "devrun ssh-config > FILE; ssh -F FILE HOST"};
}

// What the proxy needs of our surroundings to find the same controller.
Result<std::vector<std::string>> proxy_words(const Surroundings& here) {
  std::error_code failed;
  const std::string self = std::filesystem::read_symlink("/proc/self/exe", failed).string();
  if (failed) return errno_error("read /proc/self/exe", failed.value());
  std::vector<std::string> out;
  for (const char* name : {"DEVRUN_CONTROLLER", "DEVRUN_CONFIG"}) {
    if (const auto value = here.variable(name)) out.push_back(fmt::format("{}={}", name, *value));
  }
  if (!out.empty()) out.insert(out.begin(), "env");
  out.push_back(self);
  return out;
}

Result<SshConfig> config_for(const ConfigWish& wish, const Context& context) {
  SshConfig out;
  out.devrun = TRY(proxy_words(context.surroundings));
  out.keys = TRY(ssh_folder(context.surroundings));
  const auto controller = TRY(controller_of(context));
  const WhoAmI me = TRY(controller->hello());
  out.user = wish.user;
  if (out.user.empty()) out.user = me.role == "admin" ? "root" : TRY(capture_caller()).user;
  if (out.user.empty()) out.user = "root";
  for (const VolumeRecord& volume : TRY(controller->list_volumes())) {
    const bool named = volume.owner == me.user && out.volumes.size() < kVolumesNamedMax;
    if (named) out.volumes.push_back(volume.name);
  }
  return out;
}

// One line before all of what is there, which stays as it is, where it is: behind a link, too.
Status add_include(const std::string& config, const std::string& line, const std::string& old) {
  std::error_code failed;
  const std::filesystem::path real = std::filesystem::canonical(config, failed);
  return write_file_durably(failed ? config : real.string(), line + "\n" + old, 0600);
}

Result<int> write(const ConfigWish& wish, const std::string& text, Context& context) {
  const std::string home = TRY(home_of(context));
  const std::string path = home + "/.ssh/devrun.conf";
  const std::string config = home + "/.ssh/config";
  TRY(make_folders(home + "/.ssh", 0700));
  TRY(write_file_atomically(path, text, 0600));
  const Result<std::string> read = read_file(config, kConfigBytesMax);
  if (!read && read.error().code != Code::kNotFound) return read.error();
  const std::string old = read ? *read : std::string();
  const std::string done = fmt::format("{} is written", path);
  if (includes_file(old, path, home)) {
    context.console.say(fmt::format("{}; {} includes it already", done, config));
    return 0;
  }
  const std::string line = include_line(path);
  const bool may =
      wish.yes ||
      ask_whether(context, fmt::format("{}. Add one line before all others of {}: `{}`?", done,
                                       config, line));
  if (!may) {
    return Error{Code::kInvalid, fmt::format("{}, and {} does not include it", done, config),
                 fmt::format("devrun ssh-config --write --yes; or, as its first line: {}", line)};
  }
  TRY(add_include(config, line, old));
  context.console.say(fmt::format("{}; the first line of {} is now `{}`", done, config, line),
                      "ssh VOLUME.devrun");
  return 0;
}

Result<int> ssh_config(const ConfigWish& wish, Context& context) {
  const SshConfig config = TRY(config_for(wish, context));
  TRY(make_ssh_keys(config.keys));
  const std::string text = ssh_config_text(config);
  if (wish.write) return write(wish, text, context);
  TRY(context.console.data(text));
  return 0;
}

Result<Action> parse(const Arguments& arguments) {
  TRY(no_words(arguments));
  ConfigWish wish;
  wish.write = arguments.has("write");
  wish.yes = arguments.has("yes");
  wish.user = arguments.value("user").value_or("");
  if (wish.yes && !wish.write) return Error{Code::kInvalid, "--yes goes with --write", {}};
  if (wish.user.find_first_of(" \t\n\"'#%") != std::string::npos) {
    return Error{Code::kInvalid, fmt::format("--user: '{}' is no user's name", wish.user), {}};
  }
  return Action([=](Context& context) { return ssh_config(wish, context); });
}

}  // namespace

Command ssh_config_command() {
  return {
      {.name = "ssh-config",
       .usage = {"ssh-config [--user NAME]", "ssh-config --write [--yes] [--user NAME]"},
       .purpose = "what lets ssh, scp, rsync and VS Code reach dev containers and jobs",
       .text = "Prints a configuration for OpenSSH, and makes its keys in ~/.config/devrun/ssh. "
               "With it `ssh VOLUME.devrun`\n"
               "is the volume's dev container, started if need be, and `ssh 42.devrun`, "
               "42_3.devrun, 42.1.devrun a running job,\n"
               "a task, a rank. The volume needs an sshd: devrun shell VOLUME -- apt-get "
               "install -y openssh-server.\n"
               "No port is opened anywhere, and ssh asks for no fingerprints.",
       .options = kOptions,
       .examples = kExamples},
      parse};
}

}  // namespace devrun::cli
