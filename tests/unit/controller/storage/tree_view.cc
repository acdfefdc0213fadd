#include "tests/unit/controller/storage/tree_view.h"

#include <gtest/gtest.h>

#include <unordered_map>

#include "common/tree/codec.h"
#include "common/tree/paths.h"
#include "tests/unit/controller/storage/btrfs_fixture.h"

namespace devrun::storage {

namespace {

void add_directory(const std::unordered_map<Digest, std::string>& objects, const Digest& id,
                   const std::string& prefix, TreeView& view) {
  ASSERT_TRUE(objects.contains(id)) << "no object for /" << prefix;
  const Result<tree::Directory> directory = tree::decode_directory(objects.at(id));
  ASSERT_TRUE(directory) << directory.error().message;
  for (const tree::Entry& entry : directory->entries) {
    view.entries[prefix + entry.name] = entry;
    if (entry.type == tree::EntryType::kDirectory) {
      add_directory(objects, entry.directory, prefix + entry.name + "/", view);
    }
  }
}

}  // namespace

TreeView view_tree(const std::string& export_path, const Digest& tree) {
  TreeView view;
  const Result<tree::Manifest> manifest =
      tree::decode_manifest(read_text(export_path + "/" + tree::manifest_path(tree)));
  EXPECT_TRUE(manifest) << manifest.error().message;
  if (!manifest) return view;
  view.manifest = *manifest;
  EXPECT_EQ(manifest->tree, tree);
  std::unordered_map<Digest, std::string> objects;
  for (const Digest& pack : manifest->packs) {
    const std::string bytes = read_text(export_path + "/" + tree::pack_path(pack));
    EXPECT_EQ(tree::sha256(bytes), pack);
    const auto decoded = tree::decode_pack(bytes);
    EXPECT_TRUE(decoded) << decoded.error().message;
    if (!decoded) return view;
    for (const tree::Object& object : *decoded) objects[object.id] = object.bytes;
  }
  add_directory(objects, tree, "", view);
  return view;
}

std::string content_of(const std::string& export_path, const tree::Entry& entry) {
  if (entry.body.kind == tree::BodyKind::kInline) return entry.body.id;
  std::string bytes = read_text(export_path + "/" + tree::body_path(entry.body));
  if (entry.body.kind == tree::BodyKind::kProvisional) return bytes;
  std::string hashes;
  for (size_t at = 0; at < bytes.size(); at += tree::kChunkBytes) {
    hashes += tree::sha256(std::string_view(bytes).substr(at, tree::kChunkBytes)).view();
  }
  EXPECT_EQ(tree::sha256(hashes).view(), entry.body.id) << entry.name;
  if (bytes.size() > tree::kChunkBytes) {
    EXPECT_EQ(read_text(export_path + "/" + tree::chunk_list_path(entry.body)), hashes);
  }
  return bytes;
}

}  // namespace devrun::storage
