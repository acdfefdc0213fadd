// How a tree comes to a node: its manifest, then the packs that are not here yet. A snapshot whose
// neighbour is here needs the manifest and one small pack.
#include <fmt/format.h>

#include "agent/volume/vfs.h"
#include "common/base/check.h"
#include "common/tree/codec.h"
#include "common/tree/paths.h"

namespace devrun::volume {

namespace {

constexpr uint64_t kManifestBytesMax = 4 << 20;
constexpr uint64_t kPackBytesMax = uint64_t{1} << 30;

}  // namespace

std::optional<Vfs::Prepared> Vfs::prepared(const Digest& tree) const {
  const std::lock_guard lock(mutex_);
  const auto found = trees_.find(tree);
  if (found == trees_.end()) return std::nullopt;
  return found->second;
}

std::vector<Vfs::Tree> Vfs::trees() const {
  const std::lock_guard lock(mutex_);
  std::vector<Tree> out;
  for (const Digest& id : tree_order_) out.push_back({id, trees_.at(id)});
  return out;
}

Result<Vfs::Prepared> Vfs::prepare(const Digest& tree,
                                   std::chrono::steady_clock::time_point deadline) {
  if (const std::optional<Prepared> known = prepared(tree)) return *known;
  const std::unique_lock one(preparing_, deadline);
  if (!one) {
    return Error{
        Code::kUnavailable,
        fmt::format("snapshot {} waits for others that wait for the store", tree.short_hex()),
        {}};
  }
  if (const std::optional<Prepared> known = prepared(tree)) return *known;
  Result<std::string> bytes =
      store_.read_whole(tree::manifest_path(tree), kManifestBytesMax, deadline);
  if (!bytes && bytes.error().code == Code::kNotFound) {
    return Error{Code::kNotFound, fmt::format("the store has no snapshot {}", tree.short_hex()),
                 "devrun snapshot ls"};
  }
  const std::string doing = fmt::format("loading snapshot {}", tree.short_hex());
  if (!bytes) return std::move(bytes).error().context(doing);
  Result<tree::Manifest> manifest = tree::decode_manifest(*bytes);
  if (!manifest) return std::move(manifest).error().context(doing);
  if (manifest->tree != tree) {
    return Error{Code::kCorrupt, "its manifest is another tree's", {}}.context(doing);
  }
  if (Status loaded = load(*manifest, deadline); !loaded) {
    return std::move(loaded).error().context(doing);
  }
  const std::lock_guard lock(mutex_);
  return add_tree(*manifest, *bytes, NodeState::Keep::kIfRoom);
}

Status Vfs::load(const tree::Manifest& manifest, Deadline deadline) {
  for (const Digest& pack : manifest.packs) {
    if (!loaded_packs_.contains(pack)) TRY(load_pack(pack, deadline));
  }
  const std::lock_guard lock(mutex_);
  const DirectoryNumber root = directories_.find(manifest.tree);
  if (root == kNoDirectory) {
    return Error{Code::kCorrupt, "its root directory is in none of its packs", {}};
  }
  TRY(directories_.get(root));
  return ok();
}

Status Vfs::load_pack(const Digest& pack, Deadline deadline) {
  const std::string path = tree::pack_path(pack);
  const std::string bytes = TRY(store_.read_whole(path, kPackBytesMax, deadline));
  if (tree::sha256(bytes) != pack) {
    return Error{Code::kCorrupt, fmt::format("{} does not match its hash", path), {}};
  }
  std::vector<tree::Object> objects = TRY(tree::decode_pack(bytes));
  const std::lock_guard lock(mutex_);
  TRY(room_for(objects));
  // First the event, then what it tells of: a restart must number directories alike (node_state.h).
  const auto before = static_cast<uint32_t>(directories_.count());
  if (!state_.add_event({.kind = NodeState::EventKind::kPack, .directories = before, .id = pack},
                        bytes, NodeState::Keep::kIfRoom)) {
    return Error{Code::kExhausted, "devrun-fs holds as many packs as it may", {}};
  }
  add_objects(std::move(objects));
  loaded_packs_.insert(pack);
  return ok();
}

Status Vfs::room_for(const std::vector<tree::Object>& objects) const {
  size_t bytes = directories_.bytes();
  for (const tree::Object& object : objects) bytes += object.bytes.size();
  if (bytes <= limits_.directory_bytes_max) return ok();
  return Error{Code::kExhausted, "devrun-fs holds as many directories as it may", {}};
}

void Vfs::add_objects(std::vector<tree::Object> objects) {
  for (tree::Object& object : objects) directories_.add(object.id, std::move(object.bytes));
}

DirectoryNumber Vfs::add_holder(const tree::Manifest& manifest) {
  tree::Entry entry = manifest.root;
  entry.type = tree::EntryType::kDirectory;
  entry.directory = manifest.tree;
  return directories_.add_root(entry);
}

Result<Vfs::Prepared> Vfs::add_tree(const tree::Manifest& manifest, std::string_view encoded,
                                    NodeState::Keep keep) {
  const auto holder = static_cast<DirectoryNumber>(directories_.count());
  const auto next = static_cast<uint32_t>(nodes_.count());
  // Its own parent, as the root of a file system is.
  const Node root{holder, 0, directories_.find(manifest.tree), next, 0};
  const NodeId node = nodes_.intern(mix_hash(holder, 0), root, [](const Node&) { return false; });
  const NodeState::Event event{.kind = NodeState::EventKind::kTree,
                               .directories = holder,
                               .root = next,
                               .id = manifest.tree};
  if (node == 0 || !state_.add_event(event, encoded, keep)) {
    return Error{Code::kExhausted, "too many nodes", "restart the node"};
  }
  CHECK(add_holder(manifest) == holder);
  const Prepared prepared{node, manifest.has_xattrs, manifest.lineage};
  remember_tree(manifest, prepared);
  return prepared;
}

}  // namespace devrun::volume
