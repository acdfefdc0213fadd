#include "cli/client/caller.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "common/base/parse_number.h"
#include "common/runtime/file.h"

namespace devrun::cli {

namespace {

constexpr size_t kPasswdBytesMax = 16 << 20;
constexpr size_t kEnvironmentBytesMax = 1 << 20;

// A name ending in '*' stands for all that begin so.
constexpr std::array<std::string_view, 14> kLeftBehind{"TMUX*",
                                                       "STY",
                                                       "SSH_*",
                                                       "VSCODE_*",
                                                       "XDG_RUNTIME_DIR",
                                                       "XDG_SESSION_*",
                                                       "DBUS_*",
                                                       "DISPLAY",
                                                       "HOSTNAME",
                                                       "SLURM_*",
                                                       "PMI_*",
                                                       "OMPI_*",
                                                       "CUDA_VISIBLE_DEVICES",
                                                       "DEVRUN_*"};

std::vector<std::string_view> split(std::string_view line, char separator) {
  std::vector<std::string_view> out;
  for (;;) {
    const size_t at = line.find(separator);
    out.push_back(line.substr(0, at));
    if (at == std::string_view::npos) return out;
    line.remove_prefix(at + 1);
  }
}

Result<std::vector<uint32_t>> supplementary_groups() {
  const int count = ::getgroups(0, nullptr);
  if (count < 0) return errno_error("getgroups", errno);
  std::vector<gid_t> groups(static_cast<size_t>(count));
  if (::getgroups(count, groups.data()) < 0) return errno_error("getgroups", errno);
  return std::vector<uint32_t>(groups.begin(), groups.end());
}

// The first that is whole and fits.
template <typename Fits>
std::optional<PasswdEntry> find_entry(std::string_view passwd, Fits fits) {
  for (const std::string_view line : split(passwd, '\n')) {
    const auto fields = split(line, ':');
    if (fields.size() < 7) continue;
    const auto uid = parse_number<uint32_t>(fields[2]);
    const auto gid = parse_number<uint32_t>(fields[3]);
    if (!uid || !gid) continue;
    PasswdEntry entry{std::string(fields[0]), *uid, *gid, std::string(fields[5]),
                      std::string(fields[6])};
    if (fits(entry)) return entry;
  }
  return std::nullopt;
}

std::string_view name_of(std::string_view entry) {
  return entry.substr(0, entry.find('='));
}

Result<std::string> setting(const std::vector<std::string>& environment, const std::string& text) {
  const std::string_view name = name_of(text);
  if (name.empty()) {
    return Error{Code::kInvalid,
                 fmt::format("'{}' sets no variable: expected NAME=VALUE or NAME", text),
                 {}};
  }
  if (name.size() != text.size()) return text;
  for (const std::string& entry : environment) {
    if (name_of(entry) == name && entry.size() > name.size()) return entry;
  }
  return std::string{};
}

}  // namespace

std::optional<PasswdEntry> find_passwd_entry(std::string_view passwd, uint32_t uid) {
  return find_entry(passwd, [&](const PasswdEntry& entry) { return entry.uid == uid; });
}

std::optional<PasswdEntry> find_passwd_entry(std::string_view passwd, std::string_view user) {
  return find_entry(passwd, [&](const PasswdEntry& entry) { return entry.user == user; });
}

Result<Caller> capture_caller() {
  Caller out;
  out.uid = ::geteuid();
  out.gid = ::getegid();
  out.groups = TRY(supplementary_groups());
  const mode_t mask = ::umask(0);
  ::umask(mask);
  out.umask = mask;
  const auto passwd = read_file("/etc/passwd", kPasswdBytesMax);
  if (!passwd) return out;  // a root without one has no names
  if (const auto entry = find_passwd_entry(*passwd, out.uid)) {
    out.user = entry->user;
    out.home = entry->home;
  }
  return out;
}

Result<std::string> current_folder() {
  std::string path(4096, '\0');
  if (::getcwd(path.data(), path.size()) == nullptr) {
    Error error = errno_error("the current directory cannot be named", errno);
    error.hint = "cd to a directory that exists";
    return error;
  }
  path.resize(path.find('\0'));
  if (path[0] == '/') return path;
  return Error{Code::kNotFound, "the current directory is not below the root", "cd /"};
}

Result<std::string> absolute_path(const std::string& path) {
  if (path.empty()) {
    return Error{Code::kInvalid, "an empty word is no path: expected a file or a folder", {}};
  }
  const std::string whole = path.starts_with('/') ? path : TRY(current_folder()) + "/" + path;
  std::string out;
  for (size_t at = 0; at < whole.size();) {
    const size_t end = std::min(whole.find('/', at), whole.size());
    const std::string_view part = std::string_view(whole).substr(at, end - at);
    at = end + 1;
    if (part == "..") {
      out.resize(out.empty() ? 0 : out.rfind('/'));
    } else if (!part.empty() && part != ".") {
      out.append("/").append(part);
    }
  }
  return out.empty() ? "/" : out;
}

bool is_inherited(std::string_view name) {
  return std::none_of(kLeftBehind.begin(), kLeftBehind.end(), [&](std::string_view pattern) {
    if (pattern.back() != '*') return name == pattern;
    return name.starts_with(pattern.substr(0, pattern.size() - 1));
  });
}

Result<std::string> environment_block(const std::vector<std::string>& environment,
                                      const std::vector<std::string>& settings) {
  std::vector<std::string> chosen;
  for (const std::string& entry : environment) {
    if (is_inherited(name_of(entry))) chosen.push_back(entry);
  }
  for (const std::string& text : settings) {
    const std::string entry = TRY(setting(environment, text));
    if (entry.empty()) continue;  // not set here: not set there
    std::erase_if(chosen, [&](const std::string& old) { return name_of(old) == name_of(entry); });
    chosen.push_back(entry);
  }
  std::string out;
  for (const std::string& entry : chosen) out += entry + '\0';
  if (out.size() <= kEnvironmentBytesMax) return out;
  return Error{Code::kExhausted,
               fmt::format("the environment has {} bytes: at most {} go to a job", out.size(),
                           kEnvironmentBytesMax),
               "env -i … devrun …, which leaves variables behind"};
}

}  // namespace devrun::cli
