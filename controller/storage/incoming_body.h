// A body whose bytes arrive piece by piece, from 0 on: written to a file without a name and hashed
// on the way. Zeros are left out, so that what was sparse is so again. One thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/base/result.h"
#include "common/runtime/fd.h"
#include "common/tree/tree.h"
#include "controller/storage/bodies.h"

namespace devrun::storage {

class IncomingBody {
 public:
  // Of `size` bytes.
  static Result<IncomingBody> begin(Bodies& bodies, uint64_t size);
  // kConflict beyond the size.
  Status write(std::string_view data);
  // What it is called by its content, which the store has after the next Bodies::sync. kConflict if
  // bytes are missing, or if it is not `expected` (unless that is empty).
  Result<tree::Body> finish(const tree::Body& expected);

 private:
  IncomingBody(Bodies& bodies, UniqueFd file, uint64_t size)
      : bodies_(&bodies), file_(std::move(file)), size_(size) {}

  Status end_chunk();

  Bodies* bodies_;
  UniqueFd file_;  // none: a small one, which is all in `chunk_`
  uint64_t size_;
  uint64_t at_ = 0;    // of what is written
  std::string chunk_;  // the chunk that is not full yet
  std::string hashes_;
};

}  // namespace devrun::storage
