#include "controller/rpc/log_start.h"

#include <endian.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

namespace devrun::controller {

namespace {

constexpr size_t kHeaderBytes = 16;
constexpr uint64_t kCheckpointEvery = 1 << 20;
constexpr size_t kBlockBytes = 256 << 10;
constexpr size_t kHopBytes = 4 << 10;       // read for a header among large records
constexpr uint32_t kLargeRecord = 8 << 10;  // a block would hold few of them
constexpr uint8_t kStdout = 1, kStderr = 2;

struct Record {
  uint64_t offset = 0;  // of its header
  uint8_t stream = 0;
  uint32_t length = 0;
  Time at;
  uint64_t end() const { return offset + kHeaderBytes + length; }
};

// Goes from record to record, up to `length`.
class Walk {
 public:
  Walk(OutputLog& log, uint64_t from, uint64_t length) : log_(log), next_(from), length_(length) {}

  // nullopt at the end, and before a record that is not whole yet.
  Result<std::optional<Record>> next() {
    if (next_ + kHeaderBytes > length_) return std::optional<Record>();
    const char* header = TRY(bytes(next_, kHeaderBytes, large_ ? kHopBytes : kBlockBytes));
    Record record;
    record.offset = next_;
    record.stream = static_cast<uint8_t>(header[0]);
    uint64_t at = 0;
    std::memcpy(&record.length, header + 4, sizeof record.length);
    std::memcpy(&at, header + 8, sizeof at);
    record.length = le32toh(record.length);
    record.at = Time{static_cast<int64_t>(le64toh(at))};
    if (record.stream < 1 || record.stream > 3 || record.length > (64u << 10)) {
      return Error{
          Code::kCorrupt, fmt::format("the output log has no record at byte {}", next_), {}};
    }
    if (record.end() > length_) return std::optional<Record>();
    large_ = record.length >= kLargeRecord;
    next_ = record.end();
    return std::optional<Record>(record);
  }

  Result<uint64_t> newlines(const Record& record) {
    const char* data = TRY(bytes(record.offset + kHeaderBytes, record.length, kBlockBytes));
    return static_cast<uint64_t>(std::count(data, data + record.length, '\n'));
  }

 private:
  Result<const char*> bytes(uint64_t offset, size_t count, size_t ahead) {
    if (offset < at_ || offset + count > at_ + block_.size()) {
      at_ = offset;
      const uint64_t most = std::max<uint64_t>(count, ahead);
      TRY(log_.read(offset, std::min<uint64_t>(most, length_ - offset), block_));
      if (block_.size() < count) {
        return Error{Code::kCorrupt, fmt::format("the output log ends at byte {}", offset), {}};
      }
    }
    return block_.data() + (offset - at_);
  }

  OutputLog& log_;
  uint64_t next_;
  const uint64_t length_;
  bool large_ = false;
  uint64_t at_ = 0;
  std::string block_;
};

bool counts(const Record& record, const LogStart& start) {
  return (record.stream == kStdout && start.out) || (record.stream == kStderr && start.err);
}

// The last record in [from, to) from which on there are `wanted` newlines; what is missing otherwise goes to `missing`.
Result<std::optional<uint64_t>> line_start(OutputLog& log, uint64_t from, uint64_t to,
                                           const LogStart& start, uint64_t& missing) {
  std::vector<std::pair<uint64_t, uint64_t>> found;  // offset, newlines
  Walk walk(log, from, to);
  while (const auto record = TRY(walk.next())) {
    if (!counts(*record, start)) continue;
    const uint64_t lines = TRY(walk.newlines(*record));
    if (lines != 0) found.emplace_back(record->offset, lines);
  }
  for (auto it = found.rbegin(); it != found.rend(); ++it) {
    if (it->second >= missing) return std::optional(it->first);
    missing -= it->second;
  }
  return std::optional<uint64_t>();
}

}  // namespace

Result<uint64_t> find_log_start(OutputLog& log, uint64_t length, const LogStart& start) {
  std::vector<uint64_t> checkpoints;
  uint64_t since = 0;
  uint64_t fits = 0;  // the first record within bytes_max
  uint64_t end = 0;   // of the last whole record
  bool since_found = start.since.us == 0;
  bool fits_found = start.bytes_max == 0 || length <= start.bytes_max;
  Walk walk(log, 0, length);
  while (const auto record = TRY(walk.next())) {
    if (checkpoints.empty() || record->offset >= checkpoints.back() + kCheckpointEvery) {
      checkpoints.push_back(record->offset);
    }
    if (!since_found && record->at >= start.since) {
      since = record->offset;
      since_found = true;
    }
    if (!fits_found && record->offset >= length - start.bytes_max) {
      fits = record->offset;
      fits_found = true;
    }
    end = record->end();
  }
  if (!since_found) since = end;
  if (!fits_found) fits = end;
  const uint64_t earliest = std::max(since, fits);
  if (!start.lines) return earliest;
  if (*start.lines == 0) return end;
  // One more: the newline before the first of the lines. Then a last line without its own is there, too.
  uint64_t missing = *start.lines + 1;
  uint64_t to = end;
  for (auto from = checkpoints.rbegin(); from != checkpoints.rend(); ++from) {
    const auto found = TRY(line_start(log, *from, to, start, missing));
    if (found) return std::max(*found, earliest);
    if (*from <= earliest) break;
    to = *from;
  }
  return earliest;
}

}  // namespace devrun::controller
