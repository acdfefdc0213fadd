#include "cli/commands/ssh_hosts.h"

#include <fmt/format.h>
#include <fnmatch.h>
#include <strings.h>

#include <algorithm>

#include "cli/client/ssh_keys.h"
#include "cli/output/job_text.h"

namespace devrun::cli {

namespace {

constexpr std::string_view kBlank = " \t\r";

// ssh expands %; a doubled one stands for itself.
std::string without_tokens(std::string_view text) {
  std::string out;
  for (const char c : text) out += c == '%' ? std::string("%%") : std::string(1, c);
  return out;
}

std::string quoted(const std::string& path) {
  return path.find_first_of(" \t#'") == std::string::npos ? path : fmt::format("\"{}\"", path);
}

// The words of a line of ssh's configuration: blanks part them, or one `=` after the first; double quotes hold them
// together.
std::vector<std::string> words_of(std::string_view line) {
  std::vector<std::string> out;
  size_t at = 0;
  for (;;) {
    while (at < line.size() && kBlank.find(line[at]) != kBlank.npos) ++at;
    if (out.size() == 1 && at < line.size() && line[at] == '=') {
      ++at;
      continue;
    }
    if (at == line.size() || line[at] == '#') return out;
    std::string word;
    if (line[at] == '"') {
      const size_t end = std::min(line.find('"', at + 1), line.size());
      word = line.substr(at + 1, end - at - 1);
      at = std::min(end + 1, line.size());
    } else {
      const size_t end =
          std::min(line.find_first_of(out.empty() ? " \t\r=" : " \t\r", at), line.size());
      word = line.substr(at, end - at);
      at = end;
    }
    out.push_back(std::move(word));
  }
}

bool is_word(const std::string& word, const char* wanted) {
  return ::strcasecmp(word.c_str(), wanted) == 0;
}

std::string whole_path(const std::string& path, const std::string& home) {
  if (path.starts_with("~/")) return home + path.substr(1);
  return path.starts_with('/') ? path : home + "/.ssh/" + path;
}

}  // namespace

Result<SshHost> parse_ssh_host(std::string_view name) {
  std::string_view rest = name;
  if (rest.ends_with(kSshSuffix)) rest.remove_suffix(kSshSuffix.size());
  const auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
  };
  if (rest.empty() || !std::ranges::all_of(rest, fits)) {
    return Error{Code::kInvalid, fmt::format("'{}' is neither VOLUME.devrun nor JOB.devrun", name),
                 "ssh ada.devrun, a volume's dev container; ssh 42.devrun, ssh 42_3.devrun, ssh "
                 "42.1.devrun: a job, an array's task, a rank"};
  }
  SshHost out;
  if (const auto key = parse_attempt_key(rest)) {
    out.job = *key;
  } else {
    out.volume = rest;
  }
  return out;
}

std::string ssh_name_of(const SshHost& host) {
  return (host.job ? to_string(*host.job) : host.volume) + std::string(kSshSuffix);
}

std::string ssh_config_text(const SshConfig& config) {
  std::string hosts;
  for (const std::string& volume : config.volumes) {
    // What reads as a job is no volume to ssh.
    if (const auto host = parse_ssh_host(volume); host && !host->job) {
      hosts += ssh_name_of(*host) + " ";
    }
  }
  const std::string keys = without_tokens(config.keys);
  return fmt::format(
      "# Made by `devrun ssh-config`, which writes it anew. VOLUME.devrun is a volume's dev "
      "container; 42.devrun,\n"
      "# 42_3.devrun and 42.1.devrun are job 42, its task 3 and its rank 1.\n"
      "Host {}{}\n"
      "  User {}\n"
      "  ProxyCommand {} ssh-proxy '%n' '%r'\n"
      "  IdentityFile {}\n"
      "  IdentitiesOnly yes\n"
      "  UserKnownHostsFile {}\n"
      "  GlobalKnownHostsFile /dev/null\n"
      "  StrictHostKeyChecking yes\n"
      "  CheckHostIP no\n"
      "  UpdateHostKeys no\n",
      hosts, kSshHosts, config.user, without_tokens(command_line(config.devrun)),
      quoted(keys + "/id_ed25519"), quoted(keys + "/known_hosts"));
}

bool includes_file(std::string_view config, const std::string& path, const std::string& home) {
  while (!config.empty()) {
    const size_t end = std::min(config.find('\n'), config.size());
    const std::vector<std::string> words = words_of(config.substr(0, end));
    config.remove_prefix(std::min(end + 1, config.size()));
    if (words.empty()) continue;
    if (is_word(words[0], "Host") || is_word(words[0], "Match")) return false;
    if (!is_word(words[0], "Include")) continue;
    const bool found = std::any_of(words.begin() + 1, words.end(), [&](const std::string& one) {
      return ::fnmatch(whole_path(one, home).c_str(), path.c_str(), FNM_PATHNAME | FNM_PERIOD) == 0;
    });
    if (found) return true;
  }
  return false;
}

std::string include_line(const std::string& path) {
  return fmt::format("Include {}", quoted(path));
}

}  // namespace devrun::cli
