#include "controller/access/accounts.h"

#include <fmt/format.h>

#include <algorithm>

#include "common/base/suggest.h"
#include "common/runtime/file.h"

namespace devrun::controller {

namespace {

constexpr size_t kNameBytesMax = 32;
constexpr size_t kFileBytesMax = 64 << 20;

bool is_of_people(Role role) {
  return role == Role::kUser || role == Role::kAdmin || role == Role::kReader;
}

Error no_user(const AccountMap& people, const std::string& name) {
  std::vector<std::string_view> names;
  for (const auto& [known, account] : people) names.push_back(known);
  const auto nearest = nearest_word(name, names);
  return {Code::kNotFound,
          fmt::format("there is no user '{}'{}", name,
                      nearest ? fmt::format("; did you mean '{}'?", *nearest) : std::string()),
          "devrun user ls"};
}

Status check_groups(const std::set<std::string>& groups) {
  for (const std::string& group : groups) {
    if (is_account_name(group)) continue;
    return Error{Code::kInvalid,
                 fmt::format("'{}' is no name of a group: expected up to {} of a-z 0-9 . _ -, a "
                             "letter or digit first",
                             group, kNameBytesMax),
                 {}};
  }
  if (groups.size() <= kGroupsOfUserMax) return ok();
  return Error{
      Code::kExhausted, fmt::format("{} groups, at most {}", groups.size(), kGroupsOfUserMax), {}};
}

}  // namespace

bool is_account_name(std::string_view name) {
  const auto is_first = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  if (name.empty() || name.size() > kNameBytesMax || !is_first(name[0])) return false;
  return std::ranges::all_of(
      name, [&](char c) { return is_first(c) || c == '.' || c == '_' || c == '-'; });
}

Status check_share_name(const std::string& with) {
  const bool is_group = with.starts_with('@');
  if (is_account_name(is_group ? std::string_view(with).substr(1) : std::string_view(with))) {
    return ok();
  }
  return Error{Code::kInvalid,
               fmt::format("'{}' is no name of a user, nor '@' and one of a group", with),
               "devrun volume share V ada --read; devrun volume share V @vision --write"};
}

Result<std::unique_ptr<Accounts>> Accounts::open(std::string file) {
  std::unique_ptr<Accounts> out(new Accounts(std::move(file)));
  const Result<std::string> text = read_file(out->file_, kFileBytesMax);
  if (!text && text.error().code != Code::kNotFound) return text.error();
  if (text) out->people_ = TRY(accounts_of_json(*text, out->file_));
  return out;
}

Status Accounts::keep(AccountMap people) {
  TRY(write_file_durably(file_, accounts_to_json(people), 0600));
  const std::lock_guard lock(mutex_);
  people_ = std::move(people);
  return ok();
}

Status Accounts::add(const std::string& name, const UserAccount& account) {
  if (!is_account_name(name)) {
    return Error{Code::kInvalid,
                 fmt::format("'{}' is no name of a user: expected up to {} of a-z 0-9 . _ -, a "
                             "letter or digit first",
                             name, kNameBytesMax),
                 "devrun user add ada"};
  }
  if (name == kBuiltInAdmin) {
    return Error{Code::kInvalid, "'root' is the administrator whom `devrun up` makes",
                 "devrun user add NAME --role admin"};
  }
  if (!is_of_people(account.role)) {
    return Error{Code::kInvalid,
                 fmt::format("nobody is made '{}' here: expected user, admin or read-only",
                             role_name(account.role)),
                 {}};
  }
  TRY(check_groups(account.groups));
  if (account.site) TRY(check_site_identity(*account.site));
  const std::lock_guard lock(changing_);
  if (people_.contains(name)) {
    return Error{Code::kExists, fmt::format("there is a user '{}' already", name),
                 fmt::format("devrun user token {}, for a further machine", name)};
  }
  if (people_.size() >= kUsersMax) {
    return Error{Code::kExhausted, fmt::format("{} users, which is the most", kUsersMax), {}};
  }
  AccountMap people = people_;
  people.emplace(name, account);
  return keep(std::move(people));
}

Status Accounts::remove(const std::string& name) {
  const std::lock_guard lock(changing_);
  AccountMap people = people_;
  if (people.erase(name) == 0) return no_user(people_, name);
  return keep(std::move(people));
}

Result<UserAccount> Accounts::change_groups(const std::string& name,
                                            const std::set<std::string>& join,
                                            const std::set<std::string>& leave) {
  const std::lock_guard lock(changing_);
  AccountMap people = people_;
  const auto found = people.find(name);
  if (found == people.end()) return no_user(people_, name);
  std::set<std::string>& groups = found->second.groups;
  for (const std::string& group : leave) {
    if (groups.erase(group) != 0) continue;
    return Error{Code::kNotFound, fmt::format("'{}' is in no group '{}'", name, group),
                 "devrun user ls"};
  }
  groups.insert(join.begin(), join.end());
  TRY(check_groups(groups));
  const UserAccount out = found->second;
  TRY(keep(std::move(people)));
  return out;
}

Result<UserAccount> Accounts::change_site(const std::string& name,
                                          std::optional<SiteIdentity> site) {
  if (site) TRY(check_site_identity(*site));
  const std::lock_guard lock(changing_);
  AccountMap people = people_;
  const auto found = people.find(name);
  if (found == people.end()) return no_user(people_, name);
  found->second.site = std::move(site);
  const UserAccount out = found->second;
  TRY(keep(std::move(people)));
  return out;
}

Result<UserAccount> Accounts::find(const std::string& name) const {
  const std::shared_lock lock(mutex_);
  const auto found = people_.find(name);
  if (found == people_.end()) return no_user(people_, name);
  return found->second;
}

AccountMap Accounts::all() const {
  const std::shared_lock lock(mutex_);
  return people_;
}

std::set<std::string> Accounts::groups_of(const std::string& name) const {
  const std::shared_lock lock(mutex_);
  const auto found = people_.find(name);
  return found == people_.end() ? std::set<std::string>() : found->second.groups;
}

bool Accounts::knows(const Certified& who) const {
  if (!is_of_people(who.role)) return true;
  if (who.role == Role::kAdmin && who.name == kBuiltInAdmin) return true;
  const std::shared_lock lock(mutex_);
  const auto found = people_.find(who.name);
  return found != people_.end() && found->second.role == who.role;
}

bool Accounts::is_there(const std::string& name) const {
  if (name == kBuiltInAdmin) return true;
  const std::shared_lock lock(mutex_);
  return people_.contains(name);
}

std::optional<SiteIdentity> Accounts::site_of(const std::string& name) const {
  const std::shared_lock lock(mutex_);
  const auto found = people_.find(name);
  return found == people_.end() ? std::nullopt : found->second.site;
}

bool Accounts::is_admin(const std::string& name) const {
  return name == kBuiltInAdmin || has_role(name, Role::kAdmin);
}

bool Accounts::is_reader(const std::string& name) const {
  return has_role(name, Role::kReader);
}

bool Accounts::has_role(const std::string& name, Role role) const {
  const std::shared_lock lock(mutex_);
  const auto found = people_.find(name);
  return found != people_.end() && found->second.role == role;
}

}  // namespace devrun::controller
