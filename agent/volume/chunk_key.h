// The name of a piece of 1 MiB of a body, or of a body's list of hashes, for what keeps pieces: memory, the disk
// cache, and the table of those being fetched.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>

#include "common/tree/tree.h"

namespace devrun::volume {

struct ChunkKey {
  static constexpr uint32_t kList = 0xffffffff;  // as index: the list of hashes

  std::array<uint8_t, 32> id{};  // a body's id, with zeros behind a short one
  uint32_t index = 0;
  uint32_t kind = 0;  // tree::BodyKind
  bool operator==(const ChunkKey&) const = default;

  static ChunkKey of(const tree::Body& body, uint32_t index) {
    ChunkKey out;
    std::memcpy(out.id.data(), body.id.data(), std::min(body.id.size(), out.id.size()));
    out.index = index;
    out.kind = static_cast<uint32_t>(body.kind);
    return out;
  }

  // Ids are hashes or random, so a part of one is as good as all of it; never 0.
  uint64_t hash() const {
    uint64_t out = 0;
    std::memcpy(&out, id.data(), sizeof out);
    out ^= (uint64_t{index} + 1) * 0x9e3779b97f4a7c15ULL + (uint64_t{kind} << 56);
    return out == 0 ? 1 : out;
  }
};

struct ChunkKeyHash {
  size_t operator()(const ChunkKey& key) const { return key.hash(); }
};

}  // namespace devrun::volume
