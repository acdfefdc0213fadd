// A decoded directory object in little memory: one fixed row per entry and one block of text (about
// 110 bytes a file where tree::Entry takes 400). Immutable; shared by all snapshots that contain
// the directory.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/tree/tree.h"

namespace devrun::volume {

class PackedDirectory {
  struct Row {
    int64_t mtime_ns;
    int64_t ctime_ns;
    uint64_t inode;
    uint64_t size;  // of devices: the device number
    uint32_t uid;
    uint32_t gid;
    uint32_t links;
    uint32_t text;     // where in text_ the name begins; the payload follows it
    uint32_t payload;  // bytes: body id, link target, or directory id
    uint16_t lineage;  // index in lineages_
    uint16_t mode;
    uint8_t name;  // bytes
    tree::EntryType type;
    tree::BodyKind body_kind;
    bool has_xattrs;
  };
  static_assert(sizeof(Row) == 64);

 public:
  explicit PackedDirectory(const tree::Directory& directory);

  // One entry; valid as long as its directory.
  class Entry {
   public:
    std::string_view name() const;
    tree::EntryType type() const { return row().type; }
    uint32_t mode() const { return row().mode; }
    uint32_t uid() const { return row().uid; }
    uint32_t gid() const { return row().gid; }
    uint64_t size() const;
    uint64_t device() const;
    int64_t mtime_ns() const { return row().mtime_ns; }
    int64_t ctime_ns() const { return row().ctime_ns; }
    uint64_t inode() const { return row().inode; }
    uint32_t links() const { return row().links; }
    const tree::Lineage& lineage() const;
    bool is_folder() const;
    std::string_view link_target() const;     // symlinks
    std::optional<Digest> directory() const;  // folders that have an object
    tree::BodyKind body_kind() const { return row().body_kind; }
    std::string_view body_id() const;  // regular files; empty for an empty file
    const std::vector<tree::Xattr>& xattrs() const;

    // The same source file in the same state: all but the name is equal.
    bool same_file(const Entry& other) const;
    // Equal for entries of which same_file holds.
    uint64_t file_hash() const;

   private:
    friend class PackedDirectory;
    Entry(const PackedDirectory& directory, uint32_t index)
        : directory_(&directory), index_(index) {}
    const Row& row() const { return directory_->rows_[index_]; }
    std::string_view payload() const;

    const PackedDirectory* directory_;
    uint32_t index_;
  };

  uint32_t size() const { return static_cast<uint32_t>(rows_.size()); }
  Entry at(uint32_t index) const { return {*this, index}; }
  std::optional<uint32_t> find(std::string_view name) const;
  size_t bytes() const;  // of memory, about

 private:
  uint16_t lineage_index(const tree::Lineage& lineage);

  std::vector<Row> rows_;
  std::string text_;
  std::vector<tree::Lineage> lineages_;
  std::vector<std::pair<uint32_t, std::vector<tree::Xattr>>> xattrs_;  // by entry, few
};

// For keys made of several parts.
uint64_t mix_hash(uint64_t seed, uint64_t value);
uint64_t hash_bytes(std::string_view bytes);

}  // namespace devrun::volume
