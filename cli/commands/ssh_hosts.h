// The names that ssh is called with, and the configuration that leads them to `devrun ssh-proxy`. All pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "common/model/ids.h"

namespace devrun::cli {

inline constexpr std::string_view kSshSuffix = ".devrun";

// `ada.devrun` is the dev container of volume ada, `42.devrun`, `42_3.devrun` and `42.1.devrun` a job, a task of an array
// and a rank. What reads as a job is one.
struct SshHost {
  std::optional<AttemptKey> job;
  std::string volume;  // without `job`
};
// With or without the suffix.
Result<SshHost> parse_ssh_host(std::string_view name);
std::string ssh_name_of(const SshHost& host);

struct SshConfig {
  std::vector<std::string> devrun;   // the words that begin the proxy's command
  std::string keys;                  // the folder (cli/client/ssh_keys.h)
  std::string user;                  // who people are there, unless they say so
  std::vector<std::string> volumes;  // named one by one, for completion and for lists of hosts
};
std::string ssh_config_text(const SshConfig& config);

// Whether an ssh configuration includes the file at `path` for all hosts: before its first Host or Match. `home` is what
// `~` and relative names begin at (~/.ssh).
bool includes_file(std::string_view config, const std::string& path, const std::string& home);
std::string include_line(const std::string& path);

}  // namespace devrun::cli
