#include "controller/storage/known_tree.h"

#include <fmt/format.h>

#include "common/base/check.h"

namespace devrun::storage {

void Totals::add(const tree::Entry& entry, int64_t times) {
  if (entry.type != tree::EntryType::kDirectory) files += times;
  if (entry.type == tree::EntryType::kRegular) bytes += times * static_cast<int64_t>(entry.size);
  if (!entry.xattrs.empty()) xattrs += times;
}

Result<KnownTree> KnownTree::load(const tree::Manifest& manifest,
                                  std::vector<tree::Object> objects) {
  std::unordered_map<Digest, std::string> by_id;
  for (tree::Object& object : objects) by_id.emplace(object.id, std::move(object.bytes));
  KnownTree out;
  out.manifest_ = manifest;
  struct Todo {
    uint64_t inode;
    Digest id;
  };
  std::vector<Todo> todo{{manifest.root.inode, manifest.tree}};
  out.totals_.add(manifest.root);
  while (!todo.empty()) {
    const Todo next = todo.back();
    todo.pop_back();
    TRY(out.adopt(next.inode, next.id, by_id));
    const tree::Directory directory = TRY(out.directory(next.id));
    for (const tree::Entry& entry : directory.entries) {
      out.totals_.add(entry);
      if (entry.body.kind == tree::BodyKind::kProvisional) {
        out.provisional_.push_back({entry.inode, entry.body, entry.size});
      }
      if (entry.type == tree::EntryType::kDirectory) todo.push_back({entry.inode, entry.directory});
    }
  }
  return out;
}

Status KnownTree::adopt(uint64_t inode, const Digest& id,
                        std::unordered_map<Digest, std::string>& objects) {
  if (!by_inode_.emplace(inode, id).second) {
    return Error{Code::kCorrupt, fmt::format("inode {} is two directories", inode), {}};
  }
  Held& held = objects_[id];
  if (held.uses++ > 0) return ok();
  const auto found = objects.find(id);
  if (found == objects.end()) {
    return Error{Code::kCorrupt,
                 fmt::format("the packs of tree {} lack object {}", manifest_.tree.short_hex(),
                             id.short_hex()),
                 {}};
  }
  held.bytes = std::move(found->second);
  bytes_ += held.bytes.size();
  return ok();
}

const Digest* KnownTree::directory_of(uint64_t inode) const {
  const auto found = by_inode_.find(inode);
  return found == by_inode_.end() ? nullptr : &found->second;
}

std::vector<uint64_t> KnownTree::inodes() const {
  std::vector<uint64_t> out;
  out.reserve(by_inode_.size());
  for (const auto& [inode, id] : by_inode_) out.push_back(inode);
  return out;
}

std::string_view KnownTree::object(const Digest& id) const {
  const auto found = objects_.find(id);
  CHECK_MSG(found != objects_.end(), "an object that is not part of the tree");
  return found->second.bytes;
}

std::vector<Digest> KnownTree::object_ids() const {
  std::vector<Digest> out;
  out.reserve(objects_.size());
  for (const auto& [id, held] : objects_) out.push_back(id);
  std::sort(out.begin(), out.end());  // equal trees make equal packs
  return out;
}

void KnownTree::release(const Digest& id, std::vector<tree::Object>& released) {
  const auto found = objects_.find(id);
  CHECK(found != objects_.end() && found->second.uses > 0);
  if (--found->second.uses > 0) return;
  bytes_ -= found->second.bytes.size();
  released.push_back({id, std::move(found->second.bytes)});
  objects_.erase(found);
}

std::vector<tree::Object> KnownTree::apply(TreeChange change, tree::Manifest manifest) {
  for (tree::Object& object : change.objects) {
    const auto [held, is_new] = objects_.try_emplace(object.id);
    if (!is_new) continue;
    bytes_ += object.bytes.size();
    held->second.bytes = std::move(object.bytes);
  }
  // Count the new uses before the old ones go: a directory may go back to what another one is.
  std::vector<Digest> replaced;
  for (const auto& [inode, id] : change.directories) {
    ++objects_.at(id).uses;
    const auto [at, is_new] = by_inode_.try_emplace(inode, id);
    if (!is_new) replaced.push_back(std::exchange(at->second, id));
  }
  for (const uint64_t inode : change.vanished) {
    const auto found = by_inode_.find(inode);
    CHECK(found != by_inode_.end());
    replaced.push_back(found->second);
    by_inode_.erase(found);
  }
  std::vector<tree::Object> released;
  for (const Digest& id : replaced) release(id, released);
  totals_ = change.totals;
  manifest_ = std::move(manifest);
  return released;
}

}  // namespace devrun::storage
