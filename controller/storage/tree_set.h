// Several published trees at once, and new ones that are made of them: what merging and laying work
// on. Directory objects that were made are in memory until they are published. One thread.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "common/tree/diff.h"
#include "common/tree/merge.h"
#include "controller/storage/export_files.h"
#include "controller/storage/known_tree.h"
#include "controller/storage/tree_objects.h"

namespace devrun::storage {

class TreeSet final : public tree::DirectoryReader {
 public:
  // `in_memory`: see TreeObjects.
  TreeSet(const ExportFiles& files, TreeObjects::InMemory in_memory)
      : files_(files), in_memory_(std::move(in_memory)) {}

  // Opens a published tree, once; its manifest, whose `root` is the tree. kNotFound: none of that
  // name. The reference stays valid.
  Result<const tree::Manifest*> open(const Digest& tree);

  Result<tree::Directory> read(const Digest& id) override;
  tree::ObjectSink sink();

  // What `after` has more than `before` (both of this set), by their differences.
  Result<Totals> growth(const tree::Entry& before, const tree::Entry& after);

  // Puts the tree `root`, made of `base`, into the export; appends what it wrote to `written`, which
  // is durable once those are synced. Nothing is written for a tree that is there.
  Result<tree::Manifest> publish(const tree::Manifest& base, const tree::Entry& root,
                                 std::vector<std::string>& written);

 private:
  Result<std::string_view> bytes(const Digest& id);  // valid until the next call
  // Objects of `root`'s folders that `base` does not have; without one, all.
  Result<std::vector<tree::Object>> gather(const tree::Entry* base, const tree::Entry& root);

  const ExportFiles& files_;
  const TreeObjects::InMemory in_memory_;
  std::map<Digest, tree::Manifest> manifests_;
  // Not read yet, by their place in their chain: new ones, which neighbours differ in, are small.
  std::multimap<size_t, Digest> unread_;
  std::unordered_set<Digest> packs_;
  std::unordered_map<Digest, std::string> published_;
  std::unordered_map<Digest, std::string> made_;
  std::string last_;
};

}  // namespace devrun::storage
