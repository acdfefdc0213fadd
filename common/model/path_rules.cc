#include "common/model/path_rules.h"

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

}  // namespace

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
