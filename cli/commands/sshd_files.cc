#include "cli/commands/sshd_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "common/base/parse_number.h"

namespace devrun::cli {

namespace {

// sshd sets them for whom it lets in, or a shell does.
constexpr std::array<std::string_view, 12> kNotTold{"HOME", "USER",  "LOGNAME", "SHELL",
                                                    "TERM", "PWD",   "OLDPWD",  "SHLVL",
                                                    "MAIL", "SSH_*", "_",       "DEVRUN_SSH_*"};

bool is_told(std::string_view name) {
  return std::none_of(kNotTold.begin(), kNotTold.end(), [&](std::string_view pattern) {
    if (pattern.back() != '*') return name == pattern;
    return name.starts_with(pattern.substr(0, pattern.size() - 1));
  });
}

bool can_be_told(std::string_view value) {
  return std::none_of(value.begin(), value.end(), [](char c) {
    return c == '"' || c == '\\' || c == '\n' || c == '\r' || c == '\0';
  });
}

// Calls `each` with the fields of each line.
template <typename Each>
void for_lines(std::string_view text, char separator, Each each) {
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    std::vector<std::string_view> fields;
    for (;;) {
      const size_t at = line.find(separator);
      fields.push_back(line.substr(0, at));
      if (at == std::string_view::npos) break;
      line.remove_prefix(at + 1);
    }
    each(fields);
  }
}

bool has_member(std::string_view members, std::string_view user) {
  bool found = false;
  for_lines(members, ',', [&](const std::vector<std::string_view>& names) {
    found = std::find(names.begin(), names.end(), user) != names.end();
  });
  return found;
}

}  // namespace

std::string sshd_config(const std::string& folder, const std::vector<std::string>& environment) {
  std::string settings;
  for (const std::string& variable : environment) {
    const std::string_view name = std::string_view(variable).substr(0, variable.find('='));
    if (name.size() == variable.size() || name.empty()) continue;
    if (is_told(name) && can_be_told(variable)) settings += fmt::format(" \"{}\"", variable);
  }
  std::string out = fmt::format(
      "HostKey {0}/host_key\n"
      "HostCertificate {0}/host_key-cert.pub\n"
      "AuthorizedKeysFile {0}/authorized_keys\n"
      "AuthenticationMethods publickey\n"
      "PermitRootLogin yes\n"
      "StrictModes no\n"
      "UsePAM no\n"
      "UseDNS no\n"
      "PidFile none\n"
      "PrintMotd no\n"
      "PrintLastLog no\n"
      "MaxSessions 1000\n"
      "LogLevel ERROR\n"
      "AcceptEnv LANG LC_* COLORTERM\n"
      "Subsystem sftp internal-sftp\n",
      folder);
  if (!settings.empty()) out += fmt::format("SetEnv{}\n", settings);
  return out;
}

std::vector<uint32_t> groups_of(std::string_view group_file, std::string_view user, uint32_t gid) {
  std::vector<uint32_t> out{gid};
  for_lines(group_file, ':', [&](const std::vector<std::string_view>& fields) {
    if (fields.size() < 4 || !has_member(fields[3], user)) return;
    const auto id = parse_number<uint32_t>(fields[2]);
    if (id && std::find(out.begin(), out.end(), *id) == out.end()) out.push_back(*id);
  });
  return out;
}

bool is_locked(std::string_view shadow, std::string_view user) {
  bool locked = false;
  for_lines(shadow, ':', [&](const std::vector<std::string_view>& fields) {
    if (fields.size() > 1 && fields[0] == user) locked = fields[1].starts_with('!');
  });
  return locked;
}

}  // namespace devrun::cli
