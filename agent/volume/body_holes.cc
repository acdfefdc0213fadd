#include "agent/volume/body_holes.h"

#include <algorithm>
#include <string>

#include "common/base/digest.h"
#include "common/tree/codec.h"
#include "common/tree/tree.h"

namespace devrun::volume {

namespace {

constexpr size_t kHashBytes = sizeof(Digest::bytes);

// Hashes of a whole chunk of zeros, and of the last one.
class Zeros {
 public:
  Zeros(uint64_t file_size, uint64_t chunks)
      : last_index_(chunks - 1), last_(of(file_size - last_index_ * tree::kChunkBytes)) {}

  bool is(std::string_view hash, uint64_t index) const {
    static const Digest kWhole = of(tree::kChunkBytes);
    return hash == (index == last_index_ ? last_ : kWhole).view();
  }

 private:
  static Digest of(uint64_t bytes) { return tree::sha256(std::string(bytes, '\0')); }

  uint64_t last_index_;
  Digest last_;
};

}  // namespace

std::optional<uint64_t> seek_in_body(std::string_view hashes, uint64_t file_size, uint64_t offset,
                                     bool hole) {
  if (offset >= file_size) return std::nullopt;
  const uint64_t chunks = hashes.size() / kHashBytes;
  if (chunks == 0) return hole ? file_size : offset;
  const Zeros zeros(file_size, chunks);
  for (uint64_t i = offset / tree::kChunkBytes; i < chunks; ++i) {
    if (zeros.is(hashes.substr(i * kHashBytes, kHashBytes), i) == hole) {
      return std::max(offset, i * tree::kChunkBytes);
    }
  }
  if (hole) return file_size;  // every file ends in one
  return std::nullopt;
}

}  // namespace devrun::volume
