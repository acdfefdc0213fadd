#include "agent/shim/output_log.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include <cerrno>
#include <cstring>

#include "common/base/check.h"
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

Result<OutputLog> OutputLog::open(const std::string& path) {
  OutputLog log(TRY(open_file(path, O_WRONLY | O_CREAT | O_APPEND, 0640)));
  struct stat st {};
  if (::fstat(log.fd_.get(), &st) != 0) return errno_error("stat " + path, errno);
  log.bytes_ = log.whole_bytes_ = static_cast<uint64_t>(st.st_size);
  return log;
}

void OutputLog::append(Stream stream, std::string_view data, Time now) {
  CHECK(!blocked() && data.size() <= kRecordBytesMax);
  Header header{static_cast<uint8_t>(stream), 0, 0, static_cast<uint32_t>(data.size()), now.us};
  const iovec parts[2] = {{&header, sizeof header}, {const_cast<char*>(data.data()), data.size()}};
  const ssize_t n = ::writev(fd_.get(), parts, 2);
  if (n < 0) why_blocked_ = std::strerror(errno);
  size_t written = n < 0 ? 0 : static_cast<size_t>(n);
  bytes_ += written;
  if (written == sizeof header + data.size()) {
    whole_bytes_ = bytes_;
    return;
  }
  if (written < sizeof header) {
    pending_.append(reinterpret_cast<const char*>(&header) + written, sizeof header - written);
    written = sizeof header;
  }
  pending_.append(data.substr(written - sizeof header));
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
