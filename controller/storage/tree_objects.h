// The directory objects of one published tree, read from its packs as they are asked for: newest
// pack first, and a pack only when an object is in none of those before, so that what neighbours
// differ in costs little. Holds the packs that it has read. One thread.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "common/tree/diff.h"
#include "controller/storage/export_files.h"

namespace devrun::storage {

class TreeObjects final : public tree::DirectoryReader {
 public:
  // Asked first: what is in memory anyway.
  using InMemory = std::function<std::optional<std::string>(const Digest&)>;

  TreeObjects(const ExportFiles& files, std::vector<Digest> packs, InMemory in_memory = {})
      : files_(files), packs_(std::move(packs)), in_memory_(std::move(in_memory)) {}

  // kCorrupt if no pack has it, or a pack is damaged; the message names it.
  Result<tree::Directory> read(const Digest& id) override;
  // Its bytes; valid until the next call.
  Result<std::string_view> bytes(const Digest& id);

 private:
  const ExportFiles& files_;
  const std::vector<Digest> packs_;
  const InMemory in_memory_;
  size_t packs_read_ = 0;
  std::unordered_map<Digest, std::string> objects_;
  std::string last_;
};

}  // namespace devrun::storage
