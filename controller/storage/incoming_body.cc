#include "controller/storage/incoming_body.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "common/tree/body_copy.h"
#include "common/tree/codec.h"

namespace devrun::storage {

namespace {

constexpr uint64_t kDirectBytesMin = 8 << 20;
constexpr size_t kBlockBytes = 64 << 10;

// Blocks of zeros are for write_sparsely.
bool has_zero_block(std::string_view data) {
  for (size_t at = 0; at < data.size(); at += kBlockBytes) {
    const std::string_view block = data.substr(at, kBlockBytes);
    if (block.front() == 0 && std::memcmp(block.data(), block.data() + 1, block.size() - 1) == 0) {
      return true;
    }
  }
  return false;
}

}  // namespace

IncomingBody::IncomingBody(Bodies& bodies, UniqueFd file, uint64_t size)
    : bodies_(&bodies), file_(std::move(file)), size_(size) {
  if (size >= kDirectBytesMin) writer_ = ChunkWriter::open(file_.get(), size);
  // Small ones take what they need.
  buffer_ = writer_ ? writer_->take() : chunk_memory(std::min<uint64_t>(size, tree::kChunkBytes));
}

Result<IncomingBody> IncomingBody::begin(Bodies& bodies, uint64_t size) {
  UniqueFd file;
  if (size > tree::kInlineBytesMax) file = TRY(bodies.unnamed_file());
  return IncomingBody(bodies, std::move(file), size);
}

Status IncomingBody::write(std::string_view data) {
  if (data.size() > size_ - at_ - filled_) {
    return Error{Code::kConflict, "more bytes came than the file has", {}};
  }
  while (!data.empty()) {
    const std::string_view part = data.substr(0, tree::kChunkBytes - filled_);
    data.remove_prefix(part.size());
    std::memcpy(buffer_.get() + filled_, part.data(), part.size());
    filled_ += part.size();
    if (file_ && filled_ == tree::kChunkBytes) TRY(end_chunk());
  }
  return ok();
}

Status IncomingBody::zeros(uint64_t count) {
  if (count > size_ - at_ - filled_) {
    return Error{Code::kConflict, "more bytes came than the file has", {}};
  }
  while (count > 0) {
    if (filled_ == 0 && count >= tree::kChunkBytes) {
      hashes_.append(tree::hash_of_zero_chunk());
      at_ += tree::kChunkBytes;
      count -= tree::kChunkBytes;
      continue;
    }
    const auto part = static_cast<size_t>(std::min<uint64_t>(count, tree::kChunkBytes - filled_));
    std::memset(buffer_.get() + filled_, 0, part);
    filled_ += part;
    count -= part;
    if (file_ && filled_ == tree::kChunkBytes) TRY(end_chunk());
  }
  return ok();
}

Status IncomingBody::end_chunk() {
  hashes_.append(tree::sha256(chunk()).view());
  if (writer_ && filled_ == tree::kChunkBytes && !has_zero_block(chunk())) {
    TRY(writer_->put(std::move(buffer_), at_));
    buffer_ = writer_->take();
  } else {
    TRY(tree::write_sparsely(file_.get(), chunk(), at_));
  }
  at_ += filled_;
  filled_ = 0;
  return ok();
}

Result<tree::Body> IncomingBody::finish(const tree::Body& expected) {
  if (at_ + filled_ != size_) {
    return Error{Code::kConflict, "fewer bytes came than the file has", {}};
  }
  const Error other{Code::kConflict, "the bytes that came are not those of the file's body", {}};
  if (!file_) {
    tree::Body body{tree::BodyKind::kInline, std::string(chunk())};
    if (!expected.id.empty() && expected != body) return other;
    return body;
  }
  if (filled_ > 0) TRY(end_chunk());
  if (writer_) TRY(writer_->finish());
  // A hole at the end; asking first is cheaper than setting what is so.
  struct stat st {};
  const bool is_sized =
      ::fstat(file_.get(), &st) == 0 && static_cast<uint64_t>(st.st_size) == size_;
  if (!is_sized && ::ftruncate(file_.get(), static_cast<off_t>(size_)) != 0) {
    return errno_error("size a body", errno);
  }
  tree::Body body{tree::BodyKind::kChunked, std::string(tree::sha256(hashes_).view())};
  if (!expected.id.empty() && expected != body) return other;
  TRY(bodies_->take_hashed(std::move(file_), body, hashes_));
  return body;
}

}  // namespace devrun::storage
