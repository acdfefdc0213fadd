// A tree with folders of its own, for one watcher (watches.h). A folder's node follows from the one
// above it, so it is enough that the root is another: its directory object is that of the tree but
// for the change time of one entry, a second at most, that no program asks for. It is kept
// as deltas are, so that a restarted devrun-fs shows it still.
#include <algorithm>

#include "agent/volume/delta.h"
#include "agent/volume/vfs.h"
#include "common/tree/codec.h"

namespace devrun::volume {

namespace {

// A watched tree's manifest has this for a volume; no volume's name is such.
constexpr std::string_view kWatched = "/watched ";
constexpr int kTriesMax = 64;

int64_t offset_of(const std::string& id) {
  constexpr uint64_t kMost = 1'000'000'000;
  const Digest digest = tree::sha256(id);
  uint64_t number = 0;
  for (size_t i = 0; i < sizeof number; ++i) number = number << 8 | digest.bytes[i];
  return static_cast<int64_t>(number % kMost);
}

}  // namespace

bool Vfs::is_watched(const tree::Manifest& manifest) {
  return manifest.volume.starts_with(kWatched);
}

Result<Vfs::Watched> Vfs::watched_tree(const Digest& tree, const std::string& id) {
  const std::lock_guard lock(mutex_);
  const std::string name = std::string(kWatched) + id;
  const auto known = watched_.find(name);
  if (known != watched_.end()) return Watched{known->second, false};
  const Prepared& whole = trees_.at(tree);
  tree::Manifest manifest;
  manifest.root = unpacked(entry_of(nodes_.at(whole.root)));
  manifest.lineage = manifest.root.lineage;
  manifest.has_xattrs = whole.has_xattrs;
  manifest.parent = tree;
  manifest.volume = name;
  const PackedDirectory* const root = TRY(contents(whole.root));
  tree::Directory directory;
  for (uint32_t i = 0; i < root->size(); ++i) directory.entries.push_back(unpacked(root->at(i)));
  if (directory.entries.empty()) {
    return Error{Code::kUnsupported, "a tree without anything in it cannot be watched", {}};
  }
  // Many may watch one tree: each begins somewhere else.
  directory.entries.front().ctime_ns += offset_of(id);
  for (int tries = 0; tries < kTriesMax; ++tries) {
    directory.entries.front().ctime_ns += 1;
    const tree::Object object = tree::encode_directory(directory, manifest.lineage);
    if (trees_.contains(object.id) || directories_.find(object.id) != kNoDirectory) continue;
    manifest.tree = manifest.root.directory = object.id;
    TRY(room_for({object}));
    const std::string pack = tree::encode_pack({std::string_view(object.bytes)});
    manifest.packs = {tree::sha256(pack)};
    const NodeState::Event event{.kind = NodeState::EventKind::kPack,
                                 .directories = static_cast<uint32_t>(directories_.count()),
                                 .id = manifest.packs.front()};
    if (!state_.add_event(event, pack, NodeState::Keep::kAlways)) break;
    add_objects({object});
    TRY(add_tree(manifest, tree::encode_manifest(manifest), NodeState::Keep::kAlways));
    return Watched{object.id, true};
  }
  return Error{Code::kExhausted, "devrun-fs holds as many trees as it may", {}};
}

}  // namespace devrun::volume
