#include "controller/storage/whole_trees.h"

#include <unistd.h>

#include <vector>

#include "common/tree/paths.h"
#include "controller/storage/tree_objects.h"

namespace devrun::storage {

Result<bool> WholeTrees::is_whole(const Digest& tree) {
  const Result<tree::Manifest> manifest = files_.manifest(tree);
  if (!manifest) return false;
  TreeObjects objects(files_, manifest->packs);
  std::vector<Digest> todo = {manifest->root.directory};
  std::unordered_set<Digest> met;
  while (!todo.empty()) {
    const Digest id = todo.back();
    todo.pop_back();
    if (whole_.contains(id) || !met.insert(id).second) continue;
    const Result<tree::Directory> folder = objects.read(id);
    if (!folder) return false;
    for (const tree::Entry& entry : folder->entries) {
      if (entry.type == tree::EntryType::kDirectory) todo.push_back(entry.directory);
      if (entry.type == tree::EntryType::kRegular && !has_body(entry.body, entry.size)) {
        return false;
      }
    }
  }
  whole_.merge(met);
  return true;
}

bool WholeTrees::has_body(const tree::Body& body, uint64_t size) const {
  if (body.kind == tree::BodyKind::kInline) return true;
  const auto is_there = [this](const std::string& path) {
    return ::access((store_export_ + "/" + path).c_str(), F_OK) == 0;
  };
  const bool has_list = body.kind == tree::BodyKind::kChunked && size > tree::kChunkBytes;
  return is_there(tree::body_path(body)) && (!has_list || is_there(tree::chunk_list_path(body)));
}

}  // namespace devrun::storage
