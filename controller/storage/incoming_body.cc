#include "controller/storage/incoming_body.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "common/base/check.h"
#include "common/tree/body_copy.h"
#include "common/tree/codec.h"

namespace devrun::storage {

namespace {

constexpr size_t kAlignment = 4096;
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
  // Small ones take what they need, in whole pages.
  const size_t bytes = std::min<uint64_t>(size, tree::kChunkBytes);
  buffer_.reset(static_cast<char*>(
      std::aligned_alloc(kAlignment, (bytes + kAlignment) / kAlignment * kAlignment)));
  CHECK(buffer_ != nullptr);
  if (size < kDirectBytesMin) return;
  const std::string self = fmt::format("/proc/self/fd/{}", file_.get());
  direct_.reset(::open(self.c_str(), O_WRONLY | O_DIRECT | O_CLOEXEC));
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

Status IncomingBody::end_chunk() {
  hashes_.append(tree::sha256(chunk()).view());
  const bool direct = direct_ && filled_ == tree::kChunkBytes && !has_zero_block(chunk());
  // Some file systems take no such writes, and say so only now.
  if (!direct || ::pwrite(direct_.get(), buffer_.get(), filled_, static_cast<off_t>(at_)) !=
                     static_cast<ssize_t>(filled_)) {
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
  if (::ftruncate(file_.get(), static_cast<off_t>(size_)) != 0) {
    return errno_error("size a body", errno);
  }
  tree::Body body{tree::BodyKind::kChunked, std::string(tree::sha256(hashes_).view())};
  if (!expected.id.empty() && expected != body) return other;
  TRY(bodies_->take_hashed(file_, size_, body, hashes_));
  return body;
}

}  // namespace devrun::storage
