#include "common/model/path_rules.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace devrun {

namespace {

constexpr std::array<std::string_view, 6> kGoneFolders = {"/tmp",  "/var/tmp", "/run",
                                                          "/proc", "/sys",     "/dev"};
constexpr std::array<std::string_view, 16> kSystemFolders = {
    "/",     "/bin", "/boot", "/dev", "/etc", "/lib", "/lib32", "/lib64",
    "/proc", "/run", "/sbin", "/sys", "/tmp", "/usr", "/var",   "/opt"};
constexpr std::array<std::string_view, 3> kNodeFolders = {".cache", ".nv", ".triton"};

bool is_at_or_below(std::string_view path, std::string_view folder) {
  if (folder == "/") return true;
  return path.starts_with(folder) && (path.size() == folder.size() || path[folder.size()] == '/');
}

// How much of `path` the rule matches; 0: nothing. The root counts as one.
size_t matched(const PathRule& rule, std::string_view path) {
  if (!is_at_or_below(path, rule.path)) return 0;
  if (rule.name.empty()) return rule.path.size();
  // The deepest part of that name.
  size_t end = path.size();
  const size_t top = rule.path == "/" ? 0 : rule.path.size();
  while (end > top) {
    const size_t slash = path.rfind('/', end - 1);
    if (slash == std::string_view::npos || slash < top) return 0;
    if (path.substr(slash + 1, end - slash - 1) == rule.name) return end;
    end = slash;
  }
  return 0;
}

void add_home(PathRules& rules, const std::string& folder) {
  rules.push_back({folder, {}, PathKind::kHome});
  rules.push_back({folder, ".git", PathKind::kKept});
  rules.push_back({folder, "__pycache__", PathKind::kNode});
}

constexpr size_t kPathBytesMax = 4095;
constexpr size_t kNameBytesMax = 255;

bool is_plain_name(std::string_view name) {
  const auto is_control = [](char c) { return static_cast<unsigned char>(c) < ' ' || c == 0x7f; };
  return !name.empty() && name.size() <= kNameBytesMax && name != "." && name != ".." &&
         std::ranges::none_of(name, is_control) && name.find('/') == std::string_view::npos;
}

Error bad_rule(const PathRule& rule, std::string_view why) {
  return {Code::kInvalid,
          fmt::format("{} path '{}': {}", path_kind_name(rule.kind),
                      rule.name.empty() ? rule.path : rule.name, why),
          {}};
}

}  // namespace

bool is_plain_path(std::string_view path) {
  if (path == "/") return true;
  if (path.empty() || path.front() != '/' || path.size() > kPathBytesMax) return false;
  std::string_view rest = path.substr(1);
  for (;;) {
    const size_t slash = rest.find('/');
    if (!is_plain_name(rest.substr(0, slash))) return false;
    if (slash == std::string_view::npos) return true;
    rest.remove_prefix(slash + 1);
  }
}

Status check_path_rule(const PathRule& rule) {
  const bool is_for_us = rule.kind == PathKind::kSite || rule.kind == PathKind::kGone ||
                         rule.kind == PathKind::kBound || !rule.volume.empty() ||
                         !rule.source.empty();
  if (is_for_us) return bad_rule(rule, "a path can be made home, node, kept or live");
  if (!is_plain_path(rule.path)) {
    return bad_rule(rule, "expected an absolute path without '.', '..' or '//'");
  }
  if (!rule.name.empty()) {
    if (!is_plain_name(rule.name)) return bad_rule(rule, "expected a path, or the name of entries");
    if (rule.kind == PathKind::kLive) return bad_rule(rule, "expected an absolute path");
    return ok();
  }
  for (const std::string_view folder : kGoneFolders) {
    if (!is_at_or_below(rule.path, folder)) continue;
    return bad_rule(rule, fmt::format("{} starts empty in every job and goes with it", folder));
  }
  const bool is_mounted = rule.kind == PathKind::kNode || rule.kind == PathKind::kLive;
  if (is_mounted && rule.path == "/") {
    return bad_rule(rule, "it cannot be all of the volume: choose a folder in it");
  }
  return ok();
}

Status check_mount_rule(const PathRule& rule) {
  const bool from_elsewhere = !rule.volume.empty() || rule.kind == PathKind::kBound;
  if (rule.kind == PathKind::kLive && !from_elsewhere) return check_path_rule(rule);
  if (!from_elsewhere || (rule.kind != PathKind::kLive && rule.kind != PathKind::kBound)) {
    return bad_rule(rule, "a submission asks for live and bound paths alone");
  }
  if (!is_plain_path(rule.path) || rule.path == "/" || !rule.name.empty()) {
    return bad_rule(rule, "expected an absolute path without '.', '..' or '//'");
  }
  const bool has_source = !rule.source.empty() || rule.kind == PathKind::kBound;
  if (has_source && !is_plain_path(rule.source)) {
    return bad_rule(rule, "expected an absolute path as its source");
  }
  for (const std::string_view folder : {"/run", "/proc", "/sys", "/dev"}) {
    if (!is_at_or_below(rule.path, folder)) continue;
    return bad_rule(rule, fmt::format("{} is the node's in every job", folder));
  }
  return ok();
}

std::string_view path_kind_name(PathKind kind) {
  switch (kind) {
    case PathKind::kHome:
      return "home";
    case PathKind::kNode:
      return "node";
    case PathKind::kKept:
      return "kept";
    case PathKind::kLive:
      return "live";
    case PathKind::kSite:
      return "site";
    case PathKind::kGone:
      return "gone";
    case PathKind::kBound:
      return "bound";
  }
  return "kept";
}

PathKind kind_of_path(const PathRules& rules, std::string_view path) {
  PathKind kind = PathKind::kKept;
  size_t longest = 0;
  bool by_name = false;
  for (const PathRule& rule : rules) {
    const size_t length = matched(rule, path);
    if (length == 0 || length < longest) continue;
    const bool named = !rule.name.empty();
    if (length == longest && named && !by_name) continue;
    longest = length;
    by_name = named;
    kind = rule.kind;
  }
  return kind;
}

std::string site_of_path(const PathRules& rules, std::string_view path) {
  const PathRule* deepest = nullptr;
  for (const PathRule& rule : rules) {
    const bool is_mount = rule.kind == PathKind::kSite || rule.kind == PathKind::kLive ||
                          rule.kind == PathKind::kBound;
    if (!is_mount || !rule.name.empty() || !is_at_or_below(path, rule.path)) continue;
    if (deepest == nullptr || rule.path.size() >= deepest->path.size()) deepest = &rule;
  }
  return deepest != nullptr && deepest->kind == PathKind::kSite ? deepest->path : std::string();
}

PathRules default_path_rules(const std::string& home, const std::string& cwd) {
  PathRules rules;
  const auto is_system = [](const std::string& folder) {
    return folder.empty() || folder.front() != '/' ||
           std::ranges::find(kSystemFolders, folder) != kSystemFolders.end();
  };
  if (!is_system(home)) {
    add_home(rules, home);
    for (const std::string_view name : kNodeFolders) {
      rules.push_back({home + "/" + std::string(name), {}, PathKind::kNode});
    }
  }
  if (!is_system(cwd) && cwd != home) add_home(rules, cwd);
  for (const std::string_view folder : kGoneFolders) {
    rules.push_back({std::string(folder), {}, PathKind::kGone});
  }
  return rules;
}

}  // namespace devrun
