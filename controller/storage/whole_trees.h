// Which trees of a backup can be put back: those of which the store still has all bodies. The others were collected since,
// so that putting them back would show files that cannot be read. One thread.
#pragma once

#include <string>
#include <unordered_set>

#include "common/base/digest.h"
#include "common/base/result.h"
#include "controller/storage/export_files.h"

namespace devrun::storage {

class WholeTrees {
 public:
  // Folders export/ of the backup, which has trees and packs, and of the store, which has bodies.
  WholeTrees(const std::string& kept_export, std::string store_export)
      : files_(kept_export), store_export_(std::move(store_export)) {}

  // False also of a tree that was damaged in the backup already, or is not in it.
  Result<bool> is_whole(const Digest& tree);

 private:
  bool has_body(const tree::Body& body, uint64_t size) const;

  const ExportFiles files_;
  const std::string store_export_;
  std::unordered_set<Digest> whole_;  // folders, with all below them
};

}  // namespace devrun::storage
