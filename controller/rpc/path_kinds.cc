#include "controller/rpc/path_kinds.h"

#include <fmt/format.h>

#include <algorithm>

namespace devrun::controller {

namespace {

bool is_of_same_path(const PathRule& a, const PathRule& b) {
  return a.path == b.path && a.name == b.name;
}

std::string shown(const PathRule& rule) {
  return rule.name.empty() ? rule.path : rule.name;
}

}  // namespace

Status check_live_paths(const PathRules& asked) {
  if (asked.size() > kLivePathsMax) {
    return Error{
        Code::kInvalid, fmt::format("{} live paths, at most {}", asked.size(), kLivePathsMax), {}};
  }
  for (const PathRule& rule : asked) {
    if (rule.kind != PathKind::kLive && rule.kind != PathKind::kBound) {
      return Error{
          Code::kInvalid,
          fmt::format("spec.paths: '{}' is {}: a submission asks for live and bound paths alone",
                      rule.path, path_kind_name(rule.kind)),
          "devrun volume paths"};
    }
    TRY(check_mount_rule(rule));
  }
  return ok();
}

SitePaths site_paths(const State& state) {
  SitePaths out;
  for (const auto& [name, node] : state.nodes) {
    if (node.lost) continue;
    for (const std::string& path : node.hello.site_paths) {
      if (!is_plain_path(path)) continue;
      if (out.size() >= kSitePathsMax && out.find(path) == out.end()) continue;
      out[path].push_back(name);
    }
  }
  return out;
}

std::string site_of(const SitePaths& sites, const std::string& path) {
  std::string out;
  for (const auto& [site, nodes] : sites) {
    if (path == site || path.starts_with(site + "/")) out = site;
  }
  return out;
}

PathRules effective_paths(const Program& program, const PathRules& of_volume,
                          const SitePaths& sites, const PathRules& asked) {
  PathRules out = default_path_rules(program.caller.home, program.cwd);
  // A home, or the caller's folder, that is the site's is that and nothing else.
  std::erase_if(out, [&](const PathRule& rule) { return !site_of(sites, rule.path).empty(); });
  out.insert(out.end(), of_volume.begin(), of_volume.end());
  for (const auto& [path, nodes] : sites) out.push_back({path, {}, PathKind::kSite});
  out.insert(out.end(), asked.begin(), asked.end());
  return out;
}

Result<PathRules> changed_paths(PathRules rules, const PathRules& set, const PathRules& unset) {
  for (const PathRule& rule : unset) {
    const auto same = [&](const PathRule& one) { return is_of_same_path(one, rule); };
    if (std::erase_if(rules, same) != 0) continue;
    return Error{Code::kNotFound, fmt::format("nobody has set a kind for '{}'", shown(rule)),
                 "devrun volume paths"};
  }
  for (const PathRule& rule : set) {
    TRY(check_path_rule(rule));
    std::erase_if(rules, [&](const PathRule& one) { return is_of_same_path(one, rule); });
    rules.push_back(rule);
  }
  if (rules.size() > kVolumePathsMax) {
    return Error{Code::kExhausted,
                 fmt::format("{} paths, at most {} can be set", rules.size(), kVolumePathsMax),
                 "devrun volume paths --unset PATH"};
  }
  return rules;
}

}  // namespace devrun::controller
