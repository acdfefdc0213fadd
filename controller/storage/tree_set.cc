#include "controller/storage/tree_set.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "common/tree/codec.h"

namespace devrun::storage {

Result<const tree::Manifest*> TreeSet::open(const Digest& tree) {
  const auto known = manifests_.find(tree);
  if (known != manifests_.end()) return &known->second;
  tree::Manifest manifest = TRY(files_.manifest(tree));
  for (size_t i = 0; i < manifest.packs.size(); ++i) {
    if (packs_.insert(manifest.packs[i]).second) unread_.emplace(i, manifest.packs[i]);
  }
  return &manifests_.emplace(tree, std::move(manifest)).first->second;
}

Result<std::string_view> TreeSet::bytes(const Digest& id) {
  const auto made = made_.find(id);
  if (made != made_.end()) return std::string_view(made->second);
  if (std::optional<std::string> held = in_memory_ ? in_memory_(id) : std::nullopt) {
    last_ = std::move(*held);
    return std::string_view(last_);
  }
  for (;;) {
    const auto found = published_.find(id);
    if (found != published_.end()) return std::string_view(found->second);
    if (unread_.empty()) {
      return Error{Code::kCorrupt, fmt::format("no pack has directory object {}", id.short_hex()),
                   "devrun-controller fsck"};
    }
    const Digest pack = unread_.begin()->second;
    unread_.erase(unread_.begin());
    for (tree::Object& object : TRY(files_.pack(pack))) {
      published_.emplace(object.id, std::move(object.bytes));
    }
  }
}

Result<tree::Directory> TreeSet::read(const Digest& id) {
  return tree::decode_directory(TRY(bytes(id)));
}

tree::ObjectSink TreeSet::sink() {
  return [this](const tree::Object& object) {
    made_.try_emplace(object.id, object.bytes);
    return ok();
  };
}

Result<Totals> TreeSet::growth(const tree::Entry& before, const tree::Entry& after) {
  Totals out;
  TRY(tree::diff_trees({*this, before}, {*this, after}, {}, [&](const tree::Difference& found) {
    if (found.before != nullptr) out.add(*found.before, -1);
    if (found.after != nullptr) out.add(*found.after);
    return ok();
  }));
  return out;
}

// A folder that `base` has at the same path is in its packs. Others are told again, also those that
// some other tree's packs have: a tree is to be whole by its own.
Result<std::vector<tree::Object>> TreeSet::gather(const tree::Entry* base,
                                                  const tree::Entry& root) {
  std::vector<tree::Object> out;
  std::unordered_set<Digest> seen;
  std::vector<std::pair<std::optional<Digest>, Digest>> todo;
  todo.emplace_back(base == nullptr ? std::nullopt : std::optional(base->directory),
                    root.directory);
  while (!todo.empty()) {
    const auto [before, id] = todo.back();
    todo.pop_back();
    if (before == id || !seen.insert(id).second) continue;
    tree::Directory known;
    if (before) known = TRY(read(*before));
    tree::Object object{id, std::string(TRY(bytes(id)))};
    const tree::Directory directory = TRY(tree::decode_directory(object.bytes));
    for (const tree::Entry& entry : directory.entries) {
      if (entry.type != tree::EntryType::kDirectory) continue;
      const auto at = std::ranges::lower_bound(known.entries, entry.name, {}, &tree::Entry::name);
      const bool there = at != known.entries.end() && at->name == entry.name &&
                         at->type == tree::EntryType::kDirectory;
      todo.emplace_back(there ? std::optional(at->directory) : std::nullopt, entry.directory);
    }
    out.push_back(std::move(object));
  }
  return out;
}

Result<tree::Manifest> TreeSet::publish(const tree::Manifest& base, const tree::Entry& root,
                                        std::vector<std::string>& written) {
  const Totals more = TRY(growth(base.root, root));
  tree::Manifest manifest = base;
  manifest.parent = base.tree;
  manifest.tree = root.directory;
  manifest.root = root;
  manifest.files = static_cast<uint64_t>(static_cast<int64_t>(base.files) + more.files);
  manifest.bytes = static_cast<uint64_t>(static_cast<int64_t>(base.bytes) + more.bytes);
  manifest.has_xattrs = base.has_xattrs || more.xattrs > 0;
  const bool whole = ExportFiles::chain_is_long(base);
  if (whole) manifest.packs.clear();
  const std::vector<tree::Object> objects = TRY(gather(whole ? nullptr : &base.root, root));
  const tree::Manifest made = TRY(files_.publish_objects(std::move(manifest), objects, written));
  return *TRY(open(made.tree));
}

}  // namespace devrun::storage
