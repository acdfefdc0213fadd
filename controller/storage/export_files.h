// Manifests and packs in the store's export. Files are complete under their names for readers at
// once; they survive power loss once their paths were fsynced and the store's transaction committed
// (Volume::settle).
#pragma once

#include <string>
#include <vector>

#include "common/base/result.h"
#include "controller/storage/known_tree.h"
#include "controller/storage/recent_uses.h"

namespace devrun::storage {

// Makes the export's folders, all of them now: a folder that is new in a transaction makes fsyncs
// below it dear.
Status make_export_folders(const std::string& export_path);

class ExportFiles {
 public:
  // With `durable`, files are on disk before they have their names. Packs and manifests that a build
  // refers to are noted in `uses`, if there are any.
  explicit ExportFiles(std::string export_path, bool durable = false, RecentUses* uses = nullptr)
      : export_path_(std::move(export_path)), durable_(durable), uses_(uses) {}

  // Writes what is new of `change` (a pack; one of everything when the chain has grown long) and
  // then the manifest, whose `packs` and `tree` it fills in. Appends the paths that it wrote to
  // `written`. With `rewrite`, files that exist are not trusted.
  Result<tree::Manifest> publish(const KnownTree& known, const TreeChange& change,
                                 tree::Manifest manifest, bool rewrite,
                                 std::vector<std::string>& written) const;

  // The same of a tree that was made of others: `manifest` is complete but for the pack of
  // `objects`, which comes before those that it names.
  Result<tree::Manifest> publish_objects(tree::Manifest manifest,
                                         const std::vector<tree::Object>& objects,
                                         std::vector<std::string>& written) const;
  // Whether a tree that follows this one is to have packs of its own alone.
  static bool chain_is_long(const tree::Manifest& manifest);

  Result<tree::Manifest> manifest(const Digest& tree) const;
  // The objects of a pack; kCorrupt names one that is damaged.
  Result<std::vector<tree::Object>> pack(const Digest& id) const;
  Result<KnownTree> known_tree(const tree::Manifest& manifest) const;

 private:
  // `packs` were written for it; unless the very tree is there.
  Result<tree::Manifest> name_tree(tree::Manifest manifest, const std::vector<Digest>& packs,
                                   bool rewrite, std::vector<std::string>& written) const;
  Result<std::vector<Digest>> write_packs(const std::vector<std::string_view>& objects,
                                          bool rewrite, std::vector<std::string>& written) const;
  bool has_packs(const tree::Manifest& manifest) const;
  std::string path(const std::string& relative) const { return export_path_ + "/" + relative; }

  Status write(const std::string& file, std::string_view data) const;

  const std::string export_path_;
  const bool durable_;
  RecentUses* const uses_;
};

}  // namespace devrun::storage
