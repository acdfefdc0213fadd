#include "agent/sandbox/passwd.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <sstream>

#include "common/base/parse_number.h"
#include "common/runtime/child.h"

namespace devrun::sandbox {

namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::seconds kHolds{60};
constexpr uint32_t kFirstPerson = 1000;

struct Known {
  SiteIdentity who;
  Clock::time_point until;
};
struct Memory {
  std::mutex mutex;
  std::map<std::string, Known> known;
};

std::vector<std::string> fields_of(const std::string& line) {
  std::vector<std::string> out;
  std::istringstream in(line.substr(0, line.find('\n')));
  for (std::string field; std::getline(in, field, ':');) out.push_back(field);
  return out;
}

Result<SiteIdentity> ask(const std::string& user) {
  const ChildResult passwd = TRY(run_child({"getent", "passwd", "--", user}));
  // It takes a name of digits for a number.
  if (passwd.exit_status != 0 || !passwd.out.starts_with(user + ":")) {
    return Error{Code::kNotFound, fmt::format("this node's passwd has no user '{}'", user),
                 fmt::format("devrun user ids {} UID:GID, as an administrator", user)};
  }
  const ChildResult groups = TRY(run_child({"getent", "initgroups", "--", user}));
  return identity_from_getent(passwd.out, groups.exit_status == 0 ? groups.out : "");
}

}  // namespace

Result<SiteIdentity> identity_from_getent(const std::string& passwd, const std::string& groups) {
  const std::vector<std::string> fields = fields_of(passwd);
  const auto uid = fields.size() > 3 ? parse_number<uint32_t>(fields[2]) : std::nullopt;
  const auto gid = fields.size() > 3 ? parse_number<uint32_t>(fields[3]) : std::nullopt;
  if (!uid || !gid) {
    return Error{
        Code::kInvalid, fmt::format("getent's answer '{}' is no line of a passwd", passwd), {}};
  }
  const std::string& name = fields[0];
  if (*uid < kFirstPerson) {
    return Error{Code::kInvalid,
                 fmt::format("'{}' is an account of this node's system, uid {}", name, *uid),
                 fmt::format("devrun user ids {} UID:GID, as an administrator", name)};
  }
  SiteIdentity out{*uid, *gid, {}};
  std::istringstream words(groups);
  std::string word;
  words >> word;  // the name
  while (words >> word) {
    const auto group = parse_number<uint32_t>(word);
    if (group && *group != 0 && *group != out.gid) out.groups.push_back(*group);
  }
  std::ranges::sort(out.groups);
  const auto twice = std::ranges::unique(out.groups);
  out.groups.erase(twice.begin(), twice.end());
  TRY(check_site_identity(out));
  return out;
}

Passwd passwd_of_node() {
  return [memory = std::make_shared<Memory>()](const std::string& user) -> Result<SiteIdentity> {
    {
      const std::lock_guard lock(memory->mutex);
      const auto found = memory->known.find(user);
      if (found != memory->known.end() && Clock::now() < found->second.until) {
        return found->second.who;
      }
    }
    const SiteIdentity who = TRY(ask(user));
    const std::lock_guard lock(memory->mutex);
    memory->known[user] = {who, Clock::now() + kHolds};
    return who;
  };
}

}  // namespace devrun::sandbox
