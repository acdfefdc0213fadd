// Stores trees in memory as the controller would write them, for tests of what reads them.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "agent/volume/object_store.h"
#include "common/tree/codec.h"
#include "common/tree/paths.h"

namespace devrun::volume {

class MemoryStore final : public ObjectStore {
 public:
  void put(const std::string& path, std::string bytes);
  void remove(const std::string& path);
  void set_away(bool away) { away_ = away; }
  uint64_t reads() const { return reads_; }
  // The same files in a folder.
  void write_to(const std::filesystem::path& folder) const;

  Result<std::string> read_whole(const std::string& path, uint64_t bytes_max, Deadline deadline,
                                 Priority priority) override;
  Result<std::string> read_range(const std::string& path, uint64_t offset, uint64_t size,
                                 Deadline deadline, Priority priority) override;
  void count(std::map<std::string, uint64_t>& counters) const override;

 private:
  mutable std::mutex mutex_;
  std::map<std::string, std::string> files_;
  std::atomic<bool> away_{false};
  std::atomic<uint64_t> reads_{0};
};

// A file with its body in the store: inline, chunked, or provisional if it has a name for that.
tree::Entry file(MemoryStore& store, const std::string& name, const std::string& bytes,
                 uint64_t inode);
tree::Entry provisional_file(MemoryStore& store, const std::string& name, const std::string& bytes,
                             uint64_t inode);
tree::Entry link_to(const std::string& name, const std::string& target, uint64_t inode);

// The pack under construction and what hangs together in it.
class TreeBuilder {
 public:
  explicit TreeBuilder(MemoryStore& store) : store_(store) {}

  tree::Entry folder(const std::string& name, std::vector<tree::Entry> entries, uint64_t inode);
  // Writes pack and manifest; returns the tree.
  Digest finish(std::vector<tree::Entry> entries);

  tree::Lineage lineage{1};
  std::optional<tree::Lineage> root_lineage = {};  // of a tree that was merged
  bool has_xattrs = false;

 private:
  Digest object(std::vector<tree::Entry> entries);

  MemoryStore& store_;
  std::vector<tree::Object> objects_;
};

}  // namespace devrun::volume
