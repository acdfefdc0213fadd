// `devrun user`: who may use the cluster, and the groups that volumes are shared with.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <array>
#include <nlohmann/json.hpp>

#include "cli/client/access.h"
#include "cli/commands/access_commands.h"
#include "cli/commands/connect.h"
#include "cli/commands/own_target.h"
#include "cli/commands/quota_text.h"
#include "cli/commands/verbs.h"
#include "cli/output/table.h"
#include "cli/output/text_parts.h"
#include "common/base/suggest.h"
#include "common/base/units.h"

namespace devrun::cli {

namespace {

constexpr Option kOptions[] = {
    {.name = "role",
     .value = "R",
     .meaning = "add: user; admin, who may do everything; or read-only, who sees all jobs, volumes "
                "and nodes, and none of their contents",
     .fallback = "user",
     .example = "--role read-only"},
    {.name = "group",
     .value = "G",
     .meaning = "add: a group that they are in; may be repeated",
     .example = "--group vision"},
    {.name = "ids",
     .value = "UID:GID[,GID…]",
     .meaning = "add: who they are on the site's own folders (/lustre, /datasets); without it what "
                "each node's passwd has of that name",
     .example = "--ids 1234:100,2000"},
    {.name = "valid",
     .value = "SPAN",
     .meaning = "add, token: how long the token is good, 1m to 7d",
     .fallback = "1h",
     .example = "--valid 1d"},
    {.name = "revoke",
     .meaning = "token: their certificates of until now are refused, at once",
     .example = "--revoke"},
    {.name = "json", .meaning = "ls: one JSON record: {\"users\": […]}", .example = "--json"},
    kHelpOption,
};
constexpr Example kExamples[] = {
    {"devrun user add ada --group vision", "prints the line with which ada logs in"},
    {"devrun user token ada", "another line, for her other laptop"},
    {"devrun user token ada --revoke", "her laptop was stolen: its certificate is refused at once"},
    {"devrun user join ada speech", "she is in the group speech, too"},
    {"devrun user ids ada 1234:100,2000",
     "who she is on the site's own folders; none: by her name"},
    {"devrun user rm ada", "she is refused from now on; her volumes and jobs stay"},
    {"devrun user ls", "all of them, with their groups"}};

constexpr std::array<std::string_view, 7> kVerbs{"add",   "token", "rm", "join",
                                                 "leave", "ids",   "ls"};

void tell_token(const std::string& name, const UserToken& token, Context& context) {
  context.console.say(
      fmt::format("whoever types that line first is {}, once and until {}; tell it to nobody else",
                  name, format_duration(token.until - wall_clock())),
      fmt::format("to call it back: devrun user token {} --revoke", name));
  if (token.volumes.empty()) return;
  context.console.say(
      fmt::format("volumes of that name are theirs: {}", fmt::join(token.volumes, ", ")),
      "devrun user rm, if that is another person");
}

Status print_line(const UserToken& token, Context& context) {
  return context.console.data(fmt::format("devrun login {} {}\n", token.join, token.token));
}

Result<int> add(const NewUser& user, Context& context) {
  const Target target = TRY(target_of(context));
  const UserToken token = TRY(add_user(target, user));
  TRY(print_line(token, context));
  tell_token(user.name, token, context);
  return 0;
}

Result<int> renew_token(const std::string& name, Duration valid, bool revoke, Context& context) {
  const Target target = TRY(target_of(context));
  const UserToken token = TRY(give_token(target, name, valid, revoke));
  if (revoke) context.console.say(fmt::format("what {} had before is refused now", name));
  TRY(print_line(token, context));
  UserToken told = token;
  told.volumes.clear();  // of course
  tell_token(name, told, context);
  return 0;
}

Result<int> remove(const std::string& name, Context& context) {
  const Target target = TRY(target_of(context));
  const RemovedUser removed = TRY(remove_user(target, name));
  context.console.say(fmt::format("{} is refused from now on", name));
  if (!removed.jobs.empty()) {
    const std::string jobs = fmt::format("{}", fmt::join(removed.jobs, " "));
    context.console.say("their jobs go on: " + jobs, "devrun cancel " + jobs);
  }
  if (!removed.volumes.empty()) {
    context.console.say(fmt::format("their volumes stay: {}", fmt::join(removed.volumes, ", ")),
                        fmt::format("devrun volume fork {} NEW; devrun volume rm {}",
                                    removed.volumes.front(), removed.volumes.front()));
  }
  return 0;
}

Result<int> change_membership(const std::string& name, const std::vector<std::string>& groups,
                              bool joins, Context& context) {
  const Target target = TRY(target_of(context));
  const UserRecord user = TRY(joins ? change_groups(target, name, groups, {})
                                    : change_groups(target, name, {}, groups));
  context.console.say(user.groups.empty()
                          ? fmt::format("{} is in no group", name)
                          : fmt::format("{} is in {}", name, fmt::join(user.groups, ", ")));
  return 0;
}

Result<int> change_ids(const std::string& name, const std::optional<SiteIdentity>& ids,
                       Context& context) {
  const Target target = TRY(target_of(context));
  const UserRecord user = TRY(change_site_identity(target, name, ids));
  context.console.say(user.site
                          ? fmt::format("{} is {} on site mounts, of what begins from now on", name,
                                        to_string(*user.site))
                          : fmt::format("{} is on site mounts who the nodes' passwd has of that "
                                        "name, of what begins from now on",
                                        name));
  return 0;
}

std::string until_text(Time until, Time now) {
  if (until.us == 0) return "has not logged in";
  if (until < now) return "over";
  return "in " + format_duration(until - now);
}

std::string as_text(const std::vector<UserRecord>& users, Time now) {
  Table table(
      {"USER", "ROLE", "GROUPS", "ADDED", "CERTIFICATE ENDS", "IDS", "STORE", "OUTPUT", "GPUS"});
  for (const UserRecord& user : users) {
    table.add({user.name, user.role,
               user.groups.empty() ? "-" : fmt::format("{}", fmt::join(user.groups, ",")),
               ago(user.added, now), until_text(user.certificate_until, now),
               user.site ? to_string(*user.site) : "-", bytes_of_quota(user.quota.store_bytes),
               bytes_of_quota(user.quota.output_bytes), count_of_quota(user.quota.gpus)});
  }
  return table.render();
}

std::string as_json(const std::vector<UserRecord>& users) {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const UserRecord& user : users) {
    list.push_back({{"name", user.name},
                    {"role", user.role},
                    {"groups", user.groups},
                    {"added_us", user.added.us},
                    {"certificate_until_us", user.certificate_until.us},
                    {"quota", quota_json(user.quota)}});
    if (user.site) list.back()["ids"] = to_string(*user.site);
  }
  return nlohmann::ordered_json{{"users", list}}.dump() + "\n";
}

Result<int> list(bool json, Context& context) {
  const Target target = TRY(target_of(context));
  const auto users = TRY(list_users(target));
  TRY(context.console.data(json ? as_json(users) : as_text(users, wall_clock())));
  return 0;
}

Result<Duration> valid_of(const Arguments& arguments) {
  const auto text = arguments.value("valid");
  if (!text) return Duration{};
  const Result<Duration> valid = parse_duration(*text);
  if (!valid) return Error(valid.error()).context("--valid");
  return *valid;
}

Error expected(const std::string& verb) {
  const bool moves = verb == "join" || verb == "leave";
  if (verb == "ids") {
    return {Code::kInvalid, "ids: expected a user, and UID:GID[,GID…] or none",
            "devrun user ids ada 1234:100,2000"};
  }
  return {Code::kInvalid,
          fmt::format("{}: expected {}", verb,
                      verb == "ls" ? "no name"
                      : moves      ? "a user and groups"
                                   : "one user's name"),
          moves ? fmt::format("devrun user {} ada vision", verb) : ""};
}

Result<Action> parse_verb(const Arguments& arguments, const std::string& verb) {
  const std::vector<std::string>& words = arguments.words;
  const bool moves = verb == "join" || verb == "leave";
  const bool fits = verb == "ls"    ? words.size() <= 1
                    : moves         ? words.size() >= 3
                    : verb == "ids" ? words.size() == 3
                                    : words.size() == 2;
  if (!fits || arguments.has_dashes) return expected(verb);
  if (verb == "ls") {
    return Action([json = arguments.has("json")](Context& context) { return list(json, context); });
  }
  const std::string& name = words[1];
  const Duration valid = TRY(valid_of(arguments));
  if (moves) {
    const std::vector<std::string> groups(words.begin() + 2, words.end());
    return Action(
        [=](Context& context) { return change_membership(name, groups, verb == "join", context); });
  }
  if (verb == "ids") {
    std::optional<SiteIdentity> ids;
    if (words[2] != "none") ids = TRY(parse_site_identity(words[2]));
    return Action([=](Context& context) { return change_ids(name, ids, context); });
  }
  if (verb == "rm") return Action([=](Context& context) { return remove(name, context); });
  if (verb == "token") {
    return Action([=, revoke = arguments.has("revoke")](Context& context) {
      return renew_token(name, valid, revoke, context);
    });
  }
  NewUser user{name, arguments.value("role").value_or(""), arguments.values("group"), valid};
  if (const auto ids = arguments.value("ids")) user.site = TRY(parse_site_identity(*ids));
  return Action([=](Context& context) { return add(user, context); });
}

Result<Action> parse(const Arguments& arguments) {
  const std::string verb = arguments.words.empty() ? "ls" : arguments.words[0];
  if (std::ranges::find(kVerbs, verb) == kVerbs.end()) {
    const auto nearest = nearest_word(verb, kVerbs);
    return Error{Code::kInvalid,
                 fmt::format("'{}' is not {}{}", verb, fmt::join(kVerbs, ", "),
                             nearest ? fmt::format(": did you mean {}?", *nearest) : ""),
                 {}};
  }
  TRY(only_for(arguments, verb));
  return parse_verb(arguments, verb);
}

}  // namespace

Command user_command() {
  return {{.name = "user",
           .usage = {"user add [--role R] [--group G]… [--ids UID:GID] [--valid SPAN] NAME",
                     "user token [--valid SPAN] [--revoke] NAME", "user rm NAME",
                     "user join NAME GROUP…", "user leave NAME GROUP…",
                     "user ids NAME UID:GID[,GID…]|none", "user ls [--json]"},
           .purpose = "who may use the cluster (admin)",
           .text = "Names of users and groups are of a-z, 0-9, '.', '_' and '-', at most 32 "
                   "characters.",
           .options = kOptions,
           .examples = kExamples},
          parse};
}

}  // namespace devrun::cli
