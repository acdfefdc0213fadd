// A body whose bytes arrive piece by piece, from 0 on: written to a file without a name and hashed
// on the way. Zeros are left out, so that what was sparse is so again. One thread, which hashes;
// large ones are written by others (chunk_writer.h).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "common/base/result.h"
#include "common/runtime/fd.h"
#include "common/tree/tree.h"
#include "controller/storage/bodies.h"
#include "controller/storage/chunk_writer.h"

namespace devrun::storage {

class IncomingBody {
 public:
  // Of `size` bytes.
  static Result<IncomingBody> begin(Bodies& bodies, uint64_t size);
  // kConflict beyond the size.
  Status write(std::string_view data);
  // A hole of so many bytes.
  Status zeros(uint64_t count);
  // What it is called by its content, which the store has after the next Bodies::sync. kConflict if
  // bytes are missing, or if it is not `expected` (unless that is empty).
  Result<tree::Body> finish(const tree::Body& expected);

 private:
  IncomingBody(Bodies& bodies, UniqueFd file, uint64_t size);

  Status end_chunk();
  std::string_view chunk() const { return {buffer_.get(), filled_}; }

  Bodies* bodies_;
  UniqueFd file_;  // none: a small one, which is all in the buffer
  uint64_t size_;
  std::unique_ptr<ChunkWriter> writer_;  // of large ones
  uint64_t at_ = 0;                      // of what is written, or will be
  ChunkMemory buffer_;                   // the chunk that is not full yet
  size_t filled_ = 0;
  std::string hashes_;
};

}  // namespace devrun::storage
