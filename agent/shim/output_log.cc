#include "agent/shim/output_log.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include <cerrno>
#include <cstring>

#include "common/base/check.h"
#include "common/base/units.h"
#include "common/runtime/file.h"

namespace devrun::shim {

namespace {

struct Header {
  uint8_t stream;
  uint8_t zero;
  uint16_t zero2;
  uint32_t length;
  int64_t time_us;
};
static_assert(sizeof(Header) == kRecordHeaderBytes);
static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__);

}  // namespace

Result<OutputLog> OutputLog::open(const std::string& path, uint64_t bytes_max) {
  OutputLog log(TRY(open_file(path, O_WRONLY | O_CREAT | O_APPEND, 0640)), bytes_max);
  struct stat st {};
  if (::fstat(log.fd_.get(), &st) != 0) return errno_error("stat " + path, errno);
  log.bytes_ = log.whole_bytes_ = static_cast<uint64_t>(st.st_size);
  return log;
}

namespace {

Header header_of(Stream stream, size_t bytes, Time now) {
  return {static_cast<uint8_t>(stream), 0, 0, static_cast<uint32_t>(bytes), now.us};
}

std::string_view bytes_of(const Header& header) {
  return {reinterpret_cast<const char*>(&header), sizeof header};
}

}  // namespace

void OutputLog::append(Stream stream, std::string_view data, Time now) {
  CHECK(!blocked() && data.size() <= kRecordBytesMax);
  const Header header = header_of(stream, data.size(), now);
  if (!full_ && bytes_ + sizeof header + data.size() <= bytes_max_) {
    return put(bytes_of(header), data);
  }
  std::string record(bytes_of(header));
  record += data;
  if (full_) return keep_tail(std::move(record));
  full_ = true;
  mark(fmt::format("the output was cut here: {} is as much as is kept of a job's; of what follows, "
                   "only the end will be",
                   format_size(static_cast<int64_t>(bytes_max_))),
       now);
  keep_tail(std::move(record));
}

void OutputLog::mark(const std::string& words, Time now) {
  const Header header = header_of(Stream::kMark, words.size(), now);
  put(bytes_of(header), words);
}

void OutputLog::keep_tail(std::string record) {
  tail_bytes_ += record.size();
  tail_.push_back(std::move(record));
  while (tail_bytes_ > kTailBytesMax) {
    tail_bytes_ -= tail_.front().size();
    left_out_bytes_ += tail_.front().size() - kRecordHeaderBytes;
    tail_.pop_front();
  }
}

void OutputLog::finish() {
  if (!full_ || blocked()) return;
  Time now;
  if (!tail_.empty()) std::memcpy(&now.us, tail_.back().data() + 8, sizeof now.us);
  if (left_out_bytes_ != 0) {
    mark(fmt::format("{} bytes of output are left out here", left_out_bytes_), now);
  }
  for (const std::string& record : tail_) {
    if (!blocked()) {
      put(std::string_view(record).substr(0, kRecordHeaderBytes),
          std::string_view(record).substr(kRecordHeaderBytes));
    }
  }
  tail_.clear();
  if (blocked()) cut();
}

void OutputLog::put(std::string_view header, std::string_view data) {
  const iovec parts[2] = {{const_cast<char*>(header.data()), header.size()},
                          {const_cast<char*>(data.data()), data.size()}};
  const ssize_t n = ::writev(fd_.get(), parts, 2);
  if (n < 0) why_blocked_ = std::strerror(errno);
  size_t written = n < 0 ? 0 : static_cast<size_t>(n);
  bytes_ += written;
  if (written == header.size() + data.size()) {
    whole_bytes_ = bytes_;
    return;
  }
  if (written < header.size()) {
    pending_.append(header.substr(written));
    written = header.size();
  }
  pending_.append(data.substr(written - header.size()));
}

void OutputLog::retry() {
  while (blocked()) {
    const ssize_t n = ::write(fd_.get(), pending_.data(), pending_.size());
    if (n < 0) {
      why_blocked_ = std::strerror(errno);
      return;
    }
    bytes_ += static_cast<uint64_t>(n);
    pending_.erase(0, static_cast<size_t>(n));
  }
  whole_bytes_ = bytes_;
}

void OutputLog::cut() {
  pending_.clear();
  if (bytes_ == whole_bytes_) return;
  if (::ftruncate(fd_.get(), static_cast<off_t>(whole_bytes_)) == 0) bytes_ = whole_bytes_;
}

Status OutputLog::sync() {
  if (::fdatasync(fd_.get()) != 0) return errno_error("fdatasync the output log", errno);
  return ok();
}

uint64_t OutputLog::kept_bytes() const {
  struct stat st {};
  return ::fstat(fd_.get(), &st) == 0 ? static_cast<uint64_t>(st.st_blocks) * 512 : 0;
}

// Asked of a place where nothing is.
bool OutputLog::can_give_back() const {
  constexpr off_t kFarAway = off_t{1} << 40;
  return ::fallocate(fd_.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, kFarAway, 4096) == 0;
}

}  // namespace devrun::shim
