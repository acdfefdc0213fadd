// Whether a content file holds the bytes of its body.
#pragma once

#include <cstdint>

#include "common/base/result.h"
#include "common/tree/tree.h"

namespace devrun::storage {

// Reads all of `file` and compares with the body's id; a provisional body has none, of it only the
// size counts. kCorrupt says what is wrong, not of which file.
Status check_body(int file, uint64_t size, const tree::Body& body);

}  // namespace devrun::storage
