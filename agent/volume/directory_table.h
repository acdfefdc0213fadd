// Every directory object that this node knows, once each, whatever the number of snapshots it is
// part of. Objects come in packs; they stay encoded until somebody looks into them. Not
// thread-safe: its owner locks.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <unordered_map>

#include "agent/volume/packed_directory.h"
#include "common/base/digest.h"
#include "common/base/result.h"

namespace devrun::volume {

using DirectoryNumber = uint32_t;
inline constexpr DirectoryNumber kNoDirectory = 0xffffffff;

class DirectoryTable {
 public:
  // Does nothing if the object is known.
  void add(const Digest& id, std::string encoded);
  // A directory without an object: it holds only the root entry of a tree.
  DirectoryNumber add_root(const tree::Entry& root);

  DirectoryNumber find(const Digest& id) const;  // kNoDirectory if unknown
  // Decodes at the first call. The pointer stays valid. kCorrupt if it is not a directory object.
  Result<const PackedDirectory*> get(DirectoryNumber number);
  // Known to be decoded (CHECKed).
  const PackedDirectory& decoded(DirectoryNumber number) const;

  size_t count() const { return slots_.size(); }
  size_t decoded_count() const { return decoded_count_; }
  size_t bytes() const { return bytes_; }

 private:
  struct Slot {
    std::string encoded;  // empty once decoded
    std::unique_ptr<const PackedDirectory> packed;
  };

  std::deque<Slot> slots_;
  std::unordered_map<Digest, DirectoryNumber> by_id_;
  size_t decoded_count_ = 0;
  size_t bytes_ = 0;
};

}  // namespace devrun::volume
