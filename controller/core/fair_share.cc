#include "controller/core/fair_share.h"

#include <algorithm>
#include <cmath>

namespace devrun::controller {

namespace {

constexpr double kSteps = 256;

struct Part {
  double usage = 0;
  double share = 0;
};

// Parts of a whole, by name, to the fractions of the span that they lag behind.
std::map<std::string, double> fractions(const std::map<std::string, Part>& parts) {
  Part all;
  for (const auto& [name, part] : parts) {
    all.usage += part.usage;
    all.share += part.share;
  }
  std::map<std::string, double> out;
  for (const auto& [name, part] : parts) {
    double fraction = 0;
    if (all.usage > 0 && part.usage > 0) {
      fraction =
          part.share > 0
              ? -std::expm1(-std::log(2.0) * (part.usage / all.usage) / (part.share / all.share))
              : 1;
    }
    out[name] = fraction;
  }
  return out;
}

}  // namespace

std::map<std::string, Duration> lags(const std::map<std::string, Account>& accounts,
                                     const FairShare& policy, Time at) {
  std::map<std::string, std::string> group_of;
  for (const auto& [name, group] : policy.groups) {
    for (const std::string& user : group.users) group_of[user] = name;
  }
  std::map<std::string, Part> users;
  std::map<std::string, Part> groups;
  for (const auto& [user, account] : accounts) {
    const auto share = policy.shares.find(user);
    const double usage = usage_at(account, at, policy.half_life);
    users[user] = {usage, share == policy.shares.end() ? 1 : share->second};
    const auto group = group_of.find(user);
    if (group == group_of.end()) continue;
    groups[group->second].usage += usage;
    groups[group->second].share = policy.groups.at(group->second).share;
  }
  const auto of_users = fractions(users);
  const auto of_groups = fractions(groups);
  std::map<std::string, Duration> out;
  for (const auto& [user, own] : of_users) {
    const auto group = group_of.find(user);
    const double fraction =
        group == group_of.end() ? own : std::max(own, of_groups.at(group->second));
    const double rounded = std::round(fraction * kSteps) / kSteps;
    out[user] = {static_cast<int64_t>(static_cast<double>(policy.span.us) * rounded)};
  }
  return out;
}

}  // namespace devrun::controller
