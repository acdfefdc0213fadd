#include "controller/storage/linked_names.h"

#include <algorithm>
#include <functional>
#include <map>
#include <set>

namespace devrun::storage {

namespace {

using Identity = std::pair<tree::Lineage, uint64_t>;

Identity identity_of(const tree::Entry& entry) {
  return {entry.lineage, entry.inode};
}

tree::UpperEntry& entry_of(tree::UpperFolder& folder, const std::string& name) {
  auto at = std::ranges::lower_bound(folder.entries, name, {},
                                     [](const auto& one) { return one.entry.name; });
  if (at == folder.entries.end() || at->entry.name != name) {
    at = folder.entries.insert(at, tree::UpperEntry{});
    at->entry.name = name;
  }
  return *at;
}

// The paths of files with several names that are among `wanted`.
Result<std::map<Identity, std::vector<std::string>>> names_of(TreeSet& trees,
                                                              const tree::Entry& root,
                                                              const std::set<Identity>& wanted) {
  std::map<Identity, std::vector<std::string>> out;
  std::vector<std::pair<std::string, Digest>> todo{{"", root.directory}};
  while (!todo.empty()) {
    const auto [path, id] = todo.back();
    todo.pop_back();
    const tree::Directory directory = TRY(trees.read(id));
    for (const tree::Entry& entry : directory.entries) {
      const std::string below = path.empty() ? entry.name : path + "/" + entry.name;
      if (entry.type == tree::EntryType::kDirectory) {
        todo.emplace_back(below, entry.directory);
      } else if (entry.links > 1 && wanted.contains(identity_of(entry))) {
        out[identity_of(entry)].push_back(below);
      }
    }
  }
  return out;
}

}  // namespace

Result<bool> add_to_upper(TreeSet& trees, const tree::Entry& tree, const std::string& path,
                          tree::UpperEntry entry, tree::UpperFolder& upper) {
  std::vector<tree::Entry> folders;
  for (size_t slash = path.find('/'); slash != std::string::npos;
       slash = path.find('/', slash + 1)) {
    const Result<tree::Entry> folder = tree::find_entry({trees, tree}, path.substr(0, slash));
    if (!folder || folder->type != tree::EntryType::kDirectory) return false;
    folders.push_back(*folder);
  }
  tree::UpperFolder* at = &upper;
  for (const tree::Entry& folder : folders) {
    tree::UpperEntry& on_the_way = entry_of(*at, folder.name);
    on_the_way.entry = folder;
    at = &on_the_way.folder;
  }
  const std::string name = path.substr(path.rfind('/') + 1);
  entry.entry.name = name;
  entry_of(*at, name) = std::move(entry);
  return true;
}

Result<tree::Entry> follow_links(TreeSet& trees, const tree::Entry& root, const tree::Entry& laid,
                                 const std::vector<CopiedUp>& copied, const tree::Lineage& volume) {
  std::set<Identity> wanted;
  std::map<uint64_t, std::vector<CopiedUp>> by_inode;  // of the upper
  std::map<uint64_t, Identity> beneath;
  for (const CopiedUp& file : copied) {
    const Result<tree::Entry> lower = tree::find_entry({trees, root}, file.path);
    if (!lower || lower->type != tree::EntryType::kRegular || lower->links < 2) continue;
    wanted.insert(identity_of(*lower));
    by_inode[file.entry.inode].push_back(file);
    beneath.emplace(file.entry.inode, identity_of(*lower));
  }
  if (wanted.empty()) return laid;
  const auto names = TRY(names_of(trees, root, wanted));
  tree::UpperFolder upper;
  for (const auto& [inode, files] : by_inode) {
    std::vector<std::string> follow;  // names that the upper does not have
    for (const std::string& name : names.at(beneath.at(inode))) {
      const Result<tree::Entry> now = tree::find_entry({trees, laid}, name);
      if (now && identity_of(*now) == beneath.at(inode)) follow.push_back(name);
    }
    tree::UpperEntry whole;
    tree::Entry& entry = whole.entry;
    entry = files.front().entry;
    entry.links = std::max<uint32_t>(entry.links, static_cast<uint32_t>(files.size()));
    entry.links += static_cast<uint32_t>(follow.size());
    for (const CopiedUp& file : files) follow.push_back(file.path);
    for (const std::string& name : follow) {
      TRY(add_to_upper(trees, laid, name, whole, upper));
    }
  }
  return tree::lay_upper(trees, laid, laid, upper, volume, trees.sink());
}

}  // namespace devrun::storage
