// accounts.json, to and from text (accounts.h).
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "controller/access/accounts.h"

namespace devrun::controller {

namespace {

constexpr int kVersion = 1;
using Json = nlohmann::ordered_json;

}  // namespace

std::string accounts_to_json(const AccountMap& people) {
  Json users = Json::object();
  for (const auto& [name, account] : people) {
    users[name] = {{"role", role_name(account.role)},
                   {"groups", account.groups},
                   {"added_us", account.added.us}};
    if (account.site) users[name]["site_ids"] = to_string(*account.site);
  }
  return Json{{"version", kVersion}, {"users", users}}.dump(1) + "\n";
}

Result<AccountMap> accounts_of_json(const std::string& text, const std::string& file) {
  const auto damaged = [&](std::string_view what) {
    return Error{Code::kCorrupt, fmt::format("{} cannot be read: {}", file, what),
                 "restore it from a backup; without it there are no users but root"};
  };
  try {
    const Json json = Json::parse(text);
    if (json.at("version").get<int>() != kVersion) return damaged("it is of another version");
    AccountMap out;
    for (const auto& [name, one] : json.at("users").items()) {
      const auto role = role_named(one.at("role").get<std::string>());
      if (!role || !is_account_name(name)) return damaged(fmt::format("user '{}'", name));
      out[name] = {*role, one.at("groups").get<std::set<std::string>>(),
                   Time{one.at("added_us").get<int64_t>()}};
      if (!one.contains("site_ids")) continue;
      const auto site = parse_site_identity(one.at("site_ids").get<std::string>());
      if (!site) return damaged(fmt::format("user '{}': {}", name, site.error().message));
      out[name].site = *site;
    }
    return out;
  } catch (const nlohmann::json::exception& e) {
    return damaged(e.what());
  }
}

}  // namespace devrun::controller
