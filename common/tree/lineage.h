// Lineages of what is made rather than found: of an attempt's own files, of entries that a merge mixes.
#pragma once

#include <algorithm>
#include <string_view>

#include "common/tree/codec.h"
#include "common/tree/tree.h"

namespace devrun::tree {

// The same for the same text, another for any other.
inline Lineage lineage_of(std::string_view text) {
  Lineage out{};
  const Digest digest = sha256(text);
  std::copy_n(digest.bytes.begin(), out.size(), out.begin());
  return out;
}

}  // namespace devrun::tree
