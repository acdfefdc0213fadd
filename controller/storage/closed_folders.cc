#include "controller/storage/closed_folders.h"

#include <algorithm>
#include <optional>

#include "common/tree/diff.h"

namespace devrun::storage {

namespace {

constexpr uint32_t kWrite = 2;
constexpr uint32_t kPass = 1;

std::string folder_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "" : path.substr(0, slash);
}

Result<std::optional<tree::Entry>> folder_at(TreeSet& trees, const tree::Entry& root,
                                             const std::string& path) {
  Result<tree::Entry> found = path.empty() ? root : tree::find_entry({trees, root}, path);
  if (!found && found.error().code == Code::kNotFound) return std::optional<tree::Entry>();
  if (!found) return found.error();
  if (found->type != tree::EntryType::kDirectory) return std::optional<tree::Entry>();
  return std::optional(std::move(*found));
}

}  // namespace

bool ClosedFolders::may(const tree::Entry& folder, uint32_t rights) const {
  uint32_t granted = folder.mode & 7;
  if (folder.uid == user_.uid) {
    granted = folder.mode >> 6 & 7;
  } else if (folder.gid == user_.gid || std::ranges::count(user_.groups, folder.gid) > 0) {
    granted = folder.mode >> 3 & 7;
  }
  return (granted & rights) == rights;
}

Result<ClosedFolders::Way> ClosedFolders::way_into(const std::string& folder) {
  const auto known = known_.find(folder);
  if (known != known_.end()) return known->second;
  Way out;
  if (!folder.empty()) out = TRY(way_into(folder_of(folder)));
  const std::optional<tree::Entry> there = TRY(folder_at(trees_, now_, folder));
  // One that is not there yet is to be made in what is.
  if (there) out.writable = true;
  const bool closed = there && !may(*there, kWrite | kPass);
  if (closed) {
    const std::optional<tree::Entry> before = TRY(folder_at(trees_, base_, folder));
    const auto was_closed = [&](uint32_t rights) { return before && !may(*before, rights); };
    if (!may(*there, kPass) && !was_closed(kPass)) out.passable = false;
    if (!was_closed(kWrite | kPass)) out.writable = false;
  }
  out.writable = out.writable && out.passable;
  known_[folder] = out;
  return out;
}

Result<bool> ClosedFolders::hold(const std::string& path) {
  if (user_.uid == 0) return false;
  return !TRY(way_into(folder_of(path))).writable;
}

}  // namespace devrun::storage
