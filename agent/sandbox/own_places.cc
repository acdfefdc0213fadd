#include "agent/sandbox/own_places.h"

#include <algorithm>

#include "agent/sandbox/names.h"
#include "agent/sandbox/rank_ssh.h"

namespace devrun::sandbox {

bool is_below(std::string_view path, std::string_view folder) {
  if (folder.empty() || folder == "/") return false;
  return path.starts_with(folder) && (path.size() == folder.size() || path[folder.size()] == '/');
}

bool is_the_sandboxs(std::string_view path) {
  return std::ranges::find(kMountedFolders, path) != kMountedFolders.end() ||
         std::ranges::find(kMountedFiles, path) != kMountedFiles.end() || path == kDevrunInTree ||
         path == kSshConfigInTree;
}

bool leads_to_the_sandboxs(std::string_view path) {
  const auto below = [&](std::string_view place) { return is_below(place, path); };
  return std::ranges::any_of(kMountedFolders, below) || std::ranges::any_of(kMountedFiles, below) ||
         is_below(kDevrunInTree, path) || is_below(kSshConfigInTree, path);
}

bool is_the_task_folder(std::string_view path, std::string_view home) {
  constexpr std::string_view kName = "sky_workdir";
  if (home.empty() || !path.starts_with(home)) return false;
  std::string_view rest = path.substr(home.size());
  if (home.back() != '/') {
    if (!rest.starts_with('/')) return false;
    rest.remove_prefix(1);
  }
  return rest == kName;
}

}  // namespace devrun::sandbox
