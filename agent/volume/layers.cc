// A snapshot as two layers: a tree that this node has used already, and over it the little that
// differs (delta.h).
//
// A folder has a node of its own in each tree, so the kernel knows none of the names in a snapshot
// that is new to it, and asks for each again, two thousand for one program's start. In the tree that
// ran before, it knows them. Both layers are trees of one mount: with a second file system below it
// an overlay would lose its index of hard links.
//
// Deltas do not lie on deltas: the lower layer is always a tree that is shown whole, the one of its
// lineage that was asked for last. When too much differs from it, the new tree is shown whole and
// is the next ones' base. Which choice was made is kept with the delta, so that a restarted
// devrun-fs goes on with it; a base without deltas is forgotten then, and the next tree is one.
#include <algorithm>

#include "agent/volume/delta.h"
#include "agent/volume/vfs.h"
#include "common/base/check.h"
#include "common/tree/codec.h"

namespace devrun::volume {

namespace {

// A delta's manifest has this for a volume, with the tree that it is for; no volume's name is such.
constexpr std::string_view kDeltaOf = "/delta of ";

std::optional<Digest> tree_of_delta(const tree::Manifest& manifest) {
  if (!manifest.volume.starts_with(kDeltaOf)) return std::nullopt;
  return Digest::from_hex(std::string_view(manifest.volume).substr(kDeltaOf.size()));
}

}  // namespace

std::vector<Digest> Vfs::layers(const Digest& tree) {
  const std::lock_guard lock(mutex_);
  const Prepared own = trees_.at(tree);
  const tree::Lineage lineage = entry_of(nodes_.at(own.root)).lineage();
  const auto known = layers_.find(tree);
  if (known == layers_.end()) {
    const auto base = bases_.find(lineage);
    if (base != bases_.end() && !own.has_xattrs) {
      if (const std::optional<Digest> delta = add_delta(base->second, tree)) {
        return layers_[tree] = {*delta, base->second};
      }
    }
    layers_[tree] = {tree};
  } else if (known->second.size() > 1) {
    return known->second;
  }
  if (!own.has_xattrs) bases_[lineage] = tree;
  return {tree};
}

// None: there is none that is worth it, or no room to keep it for a restart.
std::optional<Digest> Vfs::add_delta(const Digest& base, const Digest& tree) {
  tree::Manifest manifest;
  manifest.root = unpacked(entry_of(nodes_.at(trees_.at(tree).root)));
  manifest.lineage = manifest.root.lineage;
  const std::optional<Delta> delta = make_delta(directories_, base, tree, manifest.lineage);
  // The whole tree is not asked for less if it is a layer.
  if (!delta || delta->root == tree || !room_for(delta->objects)) return std::nullopt;
  manifest.tree = manifest.root.directory = delta->root;
  if (const auto known = trees_.find(delta->root); known != trees_.end()) {
    // Trees are known by their content alone.
    const tree::Entry root = unpacked(entry_of(nodes_.at(known->second.root)));
    return root == manifest.root ? std::optional(delta->root) : std::nullopt;
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
  bases_[manifest.lineage] = manifest.parent;
}

}  // namespace devrun::volume
