// A published tree as nodes see it: every entry by its path, read from manifest, packs and content
// files alone.
#pragma once

#include <map>
#include <string>

#include "common/base/digest.h"
#include "common/tree/tree.h"

namespace devrun::storage {

struct TreeView {
  tree::Manifest manifest;
  std::map<std::string, tree::Entry> entries;  // "usr/bin/python3"; the root is not among them

  bool has(const std::string& path) const { return entries.contains(path); }
};

// Fails the test if anything is missing or damaged.
TreeView view_tree(const std::string& export_path, const Digest& tree);

// The bytes of a file of the tree, checked against its body's id and chunk list.
std::string content_of(const std::string& export_path, const tree::Entry& entry);

}  // namespace devrun::storage
