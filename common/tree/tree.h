// The snapshot format's values: directories of entries, named by the hash of their serialization
// (proto/devrun/v1/ tree.proto has the format, codec.h turns these into bytes and back).
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/digest.h"

namespace devrun::tree {

inline constexpr uint32_t kFormatVersion = 1;
inline constexpr size_t kInlineBytesMax = 512;
inline constexpr uint64_t kChunkBytes = 1 << 20;

using Lineage = std::array<uint8_t, 16>;

enum class EntryType : uint8_t {
  kRegular = 1,
  kDirectory = 2,
  kSymlink = 3,
  kCharacterDevice = 4,
  kBlockDevice = 5,
  kFifo = 6,
  kSocket = 7,
  kMountPoint = 8,
};

// A regular file's bytes: in the entry itself, or a file in the store's content folder.
enum class BodyKind : uint8_t {
  kInline = 0,
  kChunked = 1,
  kProvisional = 2,
};

struct Body {
  BodyKind kind = BodyKind::kInline;
  std::string id;  // inline: the bytes; chunked: 32 raw bytes; provisional: 16 raw bytes
  auto operator<=>(const Body&) const = default;
};

struct Xattr {
  std::string name;
  std::string value;
  auto operator<=>(const Xattr&) const = default;
};

struct Entry {
  std::string name;
  EntryType type = EntryType::kRegular;
  uint32_t mode = 0;  // the twelve permission bits
  uint32_t uid = 0;
  uint32_t gid = 0;
  uint64_t size = 0;
  int64_t mtime_ns = 0;
  int64_t ctime_ns = 0;
  uint64_t inode = 0;
  Lineage lineage{};  // where `inode` counts
  uint32_t links = 1;
  uint64_t device = 0;
  std::string link_target;
  Body body;         // regular files of more than 0 bytes
  Digest directory;  // directories
  std::vector<Xattr> xattrs;
  bool operator==(const Entry&) const = default;
};

struct Directory {
  std::vector<Entry> entries;  // sorted by name, as bytes
  bool operator==(const Directory&) const = default;
};

struct Manifest {
  Digest tree;
  std::string volume;
  Lineage lineage{};
  int64_t taken_ns = 0;
  std::vector<Digest> packs;  // newest first
  bool has_xattrs = false;
  uint64_t files = 0;
  uint64_t bytes = 0;
  Digest parent;  // zero: none
  Entry root;
  bool operator==(const Manifest&) const = default;
};

}  // namespace devrun::tree
