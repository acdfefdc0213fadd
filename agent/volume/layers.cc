// A snapshot as two layers: a tree that this node has used already, and over it the little that
// differs (delta.h).
//
// A folder has a node of its own in each tree, so the kernel knows none of the names in a snapshot
// that is new to it, and asks for each again, two thousand for one program's start. In the tree that
// ran before, it knows them. Both layers are trees of one mount: with a second file system below it
// an overlay would lose its index of hard links.
//
// Deltas do not lie on deltas: the lower layer is always a tree that is shown whole, one of the few of
// its volume that served last: what a setup step leaves may differ from the volume's snapshots in
// more than a delta holds, and both kinds come in turns. When too much differs from all of them, the
// new tree is shown whole and is a base for the next ones. Which choice was made is kept with the
// delta, so that a restarted devrun-fs goes on with it; a base without deltas is forgotten then, and
// the next tree is one.
#include <algorithm>

#include "agent/volume/delta.h"
#include "agent/volume/vfs.h"
#include "common/base/check.h"
#include "common/tree/codec.h"

namespace devrun::volume {

namespace {

// A delta's manifest has this for a volume, with the tree that it is for; no volume's name is such.
constexpr std::string_view kDeltaOf = "/delta of ";

// Of one volume. Each is compared with a tree that is new to this node.
constexpr size_t kBasesMax = 4;

std::optional<Digest> tree_of_delta(const tree::Manifest& manifest) {
  if (!manifest.volume.starts_with(kDeltaOf)) return std::nullopt;
  return Digest::from_hex(std::string_view(manifest.volume).substr(kDeltaOf.size()));
}

}  // namespace

std::vector<Digest> Vfs::layers(const Digest& tree) {
  const std::lock_guard lock(mutex_);
  const Prepared own = trees_.at(tree);
  const auto known = layers_.find(tree);
  if (known != layers_.end() && known->second.size() > 1) return known->second;
  if (known == layers_.end() && !own.has_xattrs) {
    const std::vector<Digest> bases = bases_[own.lineage];
    for (const Digest& base : bases) {
      const std::optional<Digest> delta = add_delta(base, tree);
      if (!delta) continue;
      use_base(own.lineage, base);
      return layers_[tree] = {*delta, base};
    }
  }
  layers_[tree] = {tree};
  if (!own.has_xattrs) use_base(own.lineage, tree);
  return {tree};
}

void Vfs::use_base(const tree::Lineage& lineage, const Digest& tree) {
  std::vector<Digest>& bases = bases_[lineage];
  std::erase(bases, tree);
  bases.insert(bases.begin(), tree);
  if (bases.size() > kBasesMax) bases.pop_back();
}

// Trees are known by their content alone.
bool Vfs::is_another_root(const Digest& tree, tree::Entry root) const {
  const auto known = trees_.find(tree);
  if (known == trees_.end()) return false;
  root.directory = tree;
  return unpacked(entry_of(nodes_.at(known->second.root))) != root;
}

// None: there is none that is worth it, or no room to keep it for a restart.
std::optional<Digest> Vfs::add_delta(const Digest& base, const Digest& tree) {
  tree::Manifest manifest;
  const Prepared& of = trees_.at(tree);
  manifest.root = unpacked(entry_of(nodes_.at(of.root)));
  manifest.lineage = of.lineage;
  std::optional<Delta> delta = make_delta(directories_, base, tree, manifest.lineage);
  // The same edit in a snapshot and in what a setup step made of it: two trees of one content, whose roots differ.
  if (delta && is_another_root(delta->root, manifest.root)) {
    delta = make_delta(directories_, base, tree, manifest.lineage, ".devrun-" + tree.hex());
  }
  // The whole tree is not asked for less if it is a layer.
  if (!delta || delta->root == tree || !room_for(delta->objects)) return std::nullopt;
  manifest.tree = manifest.root.directory = delta->root;
  if (trees_.contains(delta->root)) {
    return is_another_root(delta->root, manifest.root) ? std::nullopt : std::optional(delta->root);
  }
  std::vector<std::string_view> objects;
  for (const tree::Object& object : delta->objects) objects.push_back(object.bytes);
  const std::string pack = tree::encode_pack(objects);
  manifest.packs = {tree::sha256(pack)};
  manifest.volume = std::string(kDeltaOf) + tree.hex();
  manifest.parent = base;
  const NodeState::Event event{.kind = NodeState::EventKind::kPack,
                               .directories = static_cast<uint32_t>(directories_.count()),
                               .id = manifest.packs.front()};
  if (!state_.add_event(event, pack, NodeState::Keep::kAlways)) return std::nullopt;
  add_objects(delta->objects);
  const Result<Prepared> added =
      add_tree(manifest, tree::encode_manifest(manifest), NodeState::Keep::kAlways);
  if (!added) return std::nullopt;
  deltas_ += 1;
  return delta->root;
}

void Vfs::remember_tree(const tree::Manifest& manifest, const Prepared& prepared) {
  trees_[manifest.tree] = prepared;
  if (is_watched(manifest)) {
    watched_[manifest.volume] = manifest.tree;
  } else if (!tree_of_delta(manifest)) {
    tree_order_.push_back(manifest.tree);
  }
}

void Vfs::recover_layers(const tree::Manifest& manifest) {
  const std::optional<Digest> tree = tree_of_delta(manifest);
  if (!tree) return;
  deltas_ += 1;
  layers_[*tree] = {manifest.tree, manifest.parent};
  layers_[manifest.parent] = {manifest.parent};
  use_base(manifest.lineage, manifest.parent);
}

}  // namespace devrun::volume
