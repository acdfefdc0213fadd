#include "controller/storage/export_files.h"

#include <fmt/format.h>
#include <unistd.h>

#include "common/runtime/file.h"
#include "common/tree/codec.h"
#include "common/tree/paths.h"

namespace devrun::storage {

namespace {

constexpr size_t kPacksInChainMax = 16;
constexpr size_t kPackBytes = size_t{256} << 20;  // before compression
constexpr size_t kPackFileBytesMax = size_t{1} << 30;
constexpr size_t kManifestBytesMax = size_t{4} << 20;
constexpr mode_t kFileMode = 0444;

bool exists(const std::string& path) {
  return ::access(path.c_str(), F_OK) == 0;
}

// Every object of the tree that `change` makes of `known`.
std::vector<std::string_view> all_objects(const KnownTree& known, const TreeChange& change) {
  KnownTree next = known;
  next.apply(change, {});
  // Views into `next` would die with it; its objects are those of `known` and of `change`.
  std::vector<std::string_view> out;
  std::unordered_map<Digest, std::string_view> fresh;
  for (const tree::Object& object : change.objects) fresh.emplace(object.id, object.bytes);
  for (const Digest& id : next.object_ids()) {
    const auto found = fresh.find(id);
    out.push_back(found != fresh.end() ? found->second : known.object(id));
  }
  return out;
}

}  // namespace

Status make_export_folders(const std::string& export_path) {
  for (const char* const kind : {"trees", "packs", "content"}) {
    for (int i = 0; i < 256; ++i) {
      TRY(make_folders(fmt::format("{}/{}/{:02x}", export_path, kind, i)));
    }
  }
  TRY(make_folders(export_path + "/content/new"));
  return make_folders(export_path + "/content/p");
}

Status ExportFiles::write(const std::string& file, std::string_view data) const {
  return durable_ ? write_file_durably(file, data, kFileMode)
                  : write_file_atomically(file, data, kFileMode);
}

// Noted first: the collector may be about to delete what only an old snapshot had.
bool ExportFiles::has_packs(const tree::Manifest& manifest) const {
  for (const Digest& id : manifest.packs) {
    if (uses_ != nullptr) uses_->note(tree::pack_path(id));
    if (!exists(path(tree::pack_path(id)))) return false;
  }
  return true;
}

Result<std::vector<Digest>> ExportFiles::write_packs(const std::vector<std::string_view>& objects,
                                                     bool rewrite,
                                                     std::vector<std::string>& written) const {
  std::vector<Digest> out;
  for (size_t from = 0; from < objects.size();) {
    std::vector<std::string_view> part;
    size_t bytes = 0;
    while (from < objects.size() && (part.empty() || bytes + objects[from].size() <= kPackBytes)) {
      bytes += objects[from].size();
      part.push_back(objects[from++]);
    }
    const std::string pack = tree::encode_pack(part);
    const Digest id = out.emplace_back(tree::sha256(pack));
    if (uses_ != nullptr) uses_->note(tree::pack_path(id));
    const std::string file = path(tree::pack_path(id));
    if (rewrite || !exists(file)) TRY(write(file, pack));
    written.push_back(file);
  }
  return out;
}

Result<tree::Manifest> ExportFiles::publish(const KnownTree& known, const TreeChange& change,
                                            tree::Manifest manifest, bool rewrite,
                                            std::vector<std::string>& written) const {
  manifest.tree = change.root.directory;
  manifest.root = change.root;
  if (!known.empty()) {
    manifest.packs = known.manifest().packs;
    manifest.parent = known.manifest().tree;
  }
  std::vector<std::string_view> objects;
  if (chain_is_long(manifest)) {
    manifest.packs.clear();
    objects = all_objects(known, change);
  } else {
    for (const tree::Object& object : change.objects) objects.push_back(object.bytes);
  }
  const std::vector<Digest> packs = TRY(write_packs(objects, rewrite, written));
  return name_tree(std::move(manifest), packs, rewrite, written);
}

Result<tree::Manifest> ExportFiles::publish_objects(tree::Manifest manifest,
                                                    const std::vector<tree::Object>& objects,
                                                    std::vector<std::string>& written) const {
  std::vector<std::string_view> bytes;
  for (const tree::Object& object : objects) bytes.push_back(object.bytes);
  const std::vector<Digest> packs = TRY(write_packs(bytes, false, written));
  return name_tree(std::move(manifest), packs, false, written);
}

bool ExportFiles::chain_is_long(const tree::Manifest& manifest) {
  return manifest.packs.size() >= kPacksInChainMax;
}

Result<tree::Manifest> ExportFiles::name_tree(tree::Manifest manifest,
                                              const std::vector<Digest>& packs, bool rewrite,
                                              std::vector<std::string>& written) const {
  for (const Digest& pack : packs) std::erase(manifest.packs, pack);
  manifest.packs.insert(manifest.packs.begin(), packs.begin(), packs.end());
  if (uses_ != nullptr) uses_->note(tree::manifest_path(manifest.tree));
  const std::string file = path(tree::manifest_path(manifest.tree));
  // The same tree again, of an edit that was undone: what is there stays, nodes may be reading it.
  if (!rewrite && exists(file)) {
    Result<tree::Manifest> there = this->manifest(manifest.tree);
    if (there && there->root == manifest.root && has_packs(*there)) return there;
  }
  TRY(write(file, tree::encode_manifest(manifest)));
  written.push_back(file);
  return manifest;
}

Result<tree::Manifest> ExportFiles::manifest(const Digest& tree) const {
  const std::string bytes = TRY(read_file(path(tree::manifest_path(tree)), kManifestBytesMax));
  tree::Manifest out = TRY(tree::decode_manifest(bytes));
  if (out.tree != tree) {
    return Error{
        Code::kCorrupt, fmt::format("the manifest of {} is of another tree", tree.hex()), {}};
  }
  return out;
}

Result<std::vector<tree::Object>> ExportFiles::pack(const Digest& id) const {
  const std::string bytes = TRY(read_file(path(tree::pack_path(id)), kPackFileBytesMax));
  if (tree::sha256(bytes) != id) {
    return Error{Code::kCorrupt, fmt::format("{} does not match its hash", tree::pack_path(id)),
                 "devrun-controller fsck"};
  }
  return tree::decode_pack(bytes);
}

Result<KnownTree> ExportFiles::known_tree(const tree::Manifest& manifest) const {
  std::vector<tree::Object> objects;
  for (const Digest& id : manifest.packs) {
    for (tree::Object& object : TRY(pack(id))) objects.push_back(std::move(object));
  }
  return KnownTree::load(manifest, std::move(objects));
}

}  // namespace devrun::storage
