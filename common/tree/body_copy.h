// The bytes of one file: hashed by chunks, or copied and hashed in one pass. Holes are neither read
// nor written. Blocking; any thread.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "common/base/result.h"
#include "common/tree/tree.h"

namespace devrun::tree {

// All of these look at the first `size` bytes of `file`; kConflict if it has fewer.

// Of small files.
Result<std::string> read_start(int file, uint64_t size);

// The concatenated SHA-256s of its chunks. Ends with kCancelled when `stopping` says so.
Result<std::string> hash_chunks(int file, uint64_t size,
                                const std::function<bool()>& stopping = {});

// Of a whole chunk of zeros, which most holes are.
std::string_view hash_of_zero_chunk();

// Writes `data` (not empty) at `offset`, but for blocks of zeros: `file` has none there yet.
Status write_sparsely(int file, std::string_view data, uint64_t offset);

// The same, of the bytes that it wrote to `copy`, an empty file. Blocks of zeros become holes.
Result<std::string> copy_chunks(int file, uint64_t size, int copy);

// What a file is called by these.
Body chunked_body(std::string_view chunk_hashes);

}  // namespace devrun::tree
