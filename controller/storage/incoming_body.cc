#include "controller/storage/incoming_body.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "common/tree/body_copy.h"
#include "common/tree/codec.h"

namespace devrun::storage {

Result<IncomingBody> IncomingBody::begin(Bodies& bodies, uint64_t size) {
  UniqueFd file;
  if (size > tree::kInlineBytesMax) file = TRY(bodies.unnamed_file());
  return IncomingBody(bodies, std::move(file), size);
}

Status IncomingBody::write(std::string_view data) {
  if (data.size() > size_ - at_ - chunk_.size()) {
    return Error{Code::kConflict, "more bytes came than the file has", {}};
  }
  while (!data.empty()) {
    const size_t room = tree::kChunkBytes - chunk_.size();
    const std::string_view part = data.substr(0, room);
    data.remove_prefix(part.size());
    chunk_.append(part);
    if (file_ && chunk_.size() == tree::kChunkBytes) TRY(end_chunk());
  }
  return ok();
}

Status IncomingBody::end_chunk() {
  hashes_.append(tree::sha256(chunk_).view());
  TRY(tree::write_sparsely(file_.get(), chunk_, at_));
  at_ += chunk_.size();
  chunk_.clear();
  return ok();
}

Result<tree::Body> IncomingBody::finish(const tree::Body& expected) {
  if (at_ + chunk_.size() != size_) {
    return Error{Code::kConflict, "fewer bytes came than the file has", {}};
  }
  const Error other{Code::kConflict, "the bytes that came are not those of the file's body", {}};
  if (!file_) {
    tree::Body body{tree::BodyKind::kInline, std::move(chunk_)};
    if (!expected.id.empty() && expected != body) return other;
    return body;
  }
  if (!chunk_.empty()) TRY(end_chunk());
  if (::ftruncate(file_.get(), static_cast<off_t>(size_)) != 0) {
    return errno_error("size a body", errno);
  }
  tree::Body body{tree::BodyKind::kChunked, std::string(tree::sha256(hashes_).view())};
  if (!expected.id.empty() && expected != body) return other;
  TRY(bodies_->take_hashed(file_, size_, body, hashes_));
  return body;
}

}  // namespace devrun::storage
