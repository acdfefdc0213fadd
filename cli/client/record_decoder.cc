#include "cli/client/record_decoder.h"

#include <endian.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>

namespace devrun::cli {

namespace {
constexpr uint32_t kRecordBytesMax = 64 << 10;
constexpr size_t kMarkBytesMax = 4096;
}  // namespace

Status RecordDecoder::parse_header() {
  uint32_t length = 0;
  int64_t at = 0;
  std::memcpy(&length, header_ + 4, sizeof length);
  std::memcpy(&at, header_ + 8, sizeof at);
  length = le32toh(length);
  const auto stream = static_cast<uint8_t>(header_[0]);
  const bool zeros = header_[1] == 0 && header_[2] == 0 && header_[3] == 0;
  if (stream < 1 || stream > 3 || !zeros || length > kRecordBytesMax) {
    return Error{Code::kCorrupt,
                 fmt::format("the output log has no record at byte {}", offset_ - kHeaderBytes),
                 {}};
  }
  stream_ = static_cast<OutputStream>(stream);
  at_us_ = static_cast<int64_t>(le64toh(static_cast<uint64_t>(at)));
  left_ = length;
  header_have_ = 0;
  return ok();
}

Status RecordDecoder::pass(std::string_view bytes, const Sink& sink) {
  const bool completes = left_ == 0;
  if (stream_ != OutputStream::kMark) return sink({stream_, at_us_, bytes, completes});
  mark_ += bytes.substr(0, kMarkBytesMax - mark_.size());
  if (!completes) return ok();
  const std::string mark = std::exchange(mark_, {});
  return sink({stream_, at_us_, mark, true});
}

Status RecordDecoder::feed(std::string_view bytes, const Sink& sink) {
  while (!bytes.empty()) {
    if (left_ == 0) {
      const size_t n = std::min(kHeaderBytes - header_have_, bytes.size());
      std::memcpy(header_ + header_have_, bytes.data(), n);
      header_have_ += n;
      offset_ += n;
      bytes.remove_prefix(n);
      if (header_have_ == kHeaderBytes) TRY(parse_header());
      continue;
    }
    const size_t n = std::min<size_t>(left_, bytes.size());
    left_ -= static_cast<uint32_t>(n);
    offset_ += n;
    TRY(pass(bytes.substr(0, n), sink));
    bytes.remove_prefix(n);
  }
  return ok();
}

}  // namespace devrun::cli
