// A restarted devrun-fs knows again what its predecessor knew: packs and trees are replayed in the
// order in which they came, so that directories get the numbers that the nodes' records name, and
// the index of the nodes is made from their records.
//
// A predecessor killed between a record and the event that covers it leaves a node or a pack that
// nobody was told of. Such a node is skipped; such a pack's objects come again with their tree.
#include <fmt/format.h>

#include "agent/volume/vfs.h"
#include "common/tree/codec.h"
#include "common/tree/paths.h"

namespace devrun::volume {

namespace {

constexpr uint64_t kBytesMax = uint64_t{1} << 30;

Error out_of_step() {
  return Error{Code::kCorrupt, "what the last devrun-fs left does not fit together", {}};
}

}  // namespace

Status Vfs::recover() {
  const std::lock_guard lock(mutex_);
  for (size_t i = 0; i < state_.event_count(); ++i) {
    const NodeState::Event& event = state_.event(i);
    if (event.directories != directories_.count()) return out_of_step();
    if (event.kind == NodeState::EventKind::kPack) {
      TRY(recover_pack(event));
    } else {
      TRY(recover_tree(event));
    }
  }
  return recover_nodes();
}

Status Vfs::recover_pack(const NodeState::Event& event) {
  std::string bytes;
  if (event.bytes > 0) bytes = TRY(state_.bytes_of(event));
  // A machine that ran out of power has no mounts to take over; but disks lie.
  if (bytes.empty() || tree::sha256(bytes) != event.id) {
    bytes = TRY(store_.read_whole(tree::pack_path(event.id), kBytesMax, {}));
    if (tree::sha256(bytes) != event.id) return out_of_step();
  }
  add_objects(TRY(tree::decode_pack(bytes)));
  loaded_packs_.insert(event.id);
  return ok();
}

Status Vfs::recover_tree(const NodeState::Event& event) {
  std::string bytes;
  if (event.bytes > 0) bytes = TRY(state_.bytes_of(event));
  if (bytes.empty()) {
    bytes = TRY(store_.read_whole(tree::manifest_path(event.id), kBytesMax, {}));
  }
  const tree::Manifest manifest = TRY(tree::decode_manifest(bytes));
  if (manifest.tree != event.id || event.root >= state_.node_count()) return out_of_step();
  if (state_.node(event.root).directory != add_holder(manifest)) return out_of_step();
  remember_tree(manifest, {NodeTable::id_of(event.root), manifest.has_xattrs, manifest.lineage});
  recover_layers(manifest);
  return ok();
}

Status Vfs::recover_nodes() {
  for (uint32_t i = 0; i < state_.node_count(); ++i) {
    const Node& node = state_.node(i);
    if (node.directory >= directories_.count()) continue;
    const PackedDirectory* const directory = TRY(directories_.get(node.directory));
    if (node.entry >= directory->size()) return out_of_step();
    const Entry entry = directory->at(node.entry);
    uint64_t hash = 0;
    if (!entry.is_folder()) {
      hash = mix_hash(entry.file_hash(), node.path_hash);
    } else if (node.parent == i) {
      hash = mix_hash(node.directory, 0);
    } else {
      hash = mix_hash(mix_hash(NodeTable::id_of(node.parent), node.directory), node.entry);
    }
    nodes_.recover(i, hash);
    if (entry.is_folder() && node.own != kNoDirectory) {
      if (node.own >= directories_.count()) return out_of_step();
    }
  }
  return ok();
}

}  // namespace devrun::volume
