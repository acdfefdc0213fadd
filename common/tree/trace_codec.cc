// How a trace lies in the store (proto/devrun/v1/tree.proto): read with suspicion, since it is the one file of the export
// that no hash names.
#include <devrun/v1/tree.pb.h>

#include <limits>
#include <unordered_set>

#include "common/base/digest.h"
#include "common/tree/codec.h"
#include "common/tree/trace.h"

namespace devrun::tree {

namespace {

constexpr std::string_view kMagic = "devrunT1";
constexpr uint32_t kVersion = 1;
constexpr size_t kHeadBytes = kMagic.size() + sizeof(Digest::bytes);
constexpr size_t kPathBytesMax = 4096;

Error damaged(const char* why) {
  return Error{Code::kCorrupt, std::string("the trace is damaged: ") + why, {}};
}

Result<TraceFile> file_of(const v1::TraceFile& in) {
  TraceFile out;
  out.path = in.path();
  if (out.path.empty() || out.path.size() > kPathBytesMax || out.path.front() == '/' ||
      out.path.find('\0') != std::string::npos) {
    return damaged("no path");
  }
  if (in.pages_size() % 2 != 0 || in.pages_size() > static_cast<int>(2 * kTraceRangesMax)) {
    return damaged("its pages");
  }
  uint64_t end = 0;
  for (int i = 0; i < in.pages_size(); i += 2) {
    const PageRange range{in.pages(i), in.pages(i + 1)};
    const bool apart = i == 0 || range.first > end;
    end = uint64_t{range.first} + range.count;
    if (range.count == 0 || !apart || end > std::numeric_limits<uint32_t>::max()) {
      return damaged("its pages");
    }
    out.ranges.push_back(range);
  }
  return out;
}

}  // namespace

std::string encode_trace(const Trace& trace) {
  v1::Trace out;
  out.set_version(kVersion);
  size_t bytes = kHeadBytes + 16;
  for (const TraceFile& file : trace.files) {
    // Five bytes a number at most.
    bytes += file.path.size() + 10 * file.ranges.size() + 24;
    if (bytes > kTraceBytesMax || static_cast<size_t>(out.files_size()) >= kTraceFilesMax) break;
    v1::TraceFile& one = *out.add_files();
    one.set_path(file.path);
    for (const PageRange& range : file.ranges) {
      one.add_pages(range.first);
      one.add_pages(range.count);
    }
  }
  const std::string body = out.SerializeAsString();
  return std::string(kMagic).append(sha256(body).view()).append(body);
}

Result<Trace> decode_trace(std::string_view bytes) {
  if (bytes.size() > kTraceBytesMax) return damaged("it is too long");
  if (bytes.size() < kHeadBytes || !bytes.starts_with(kMagic)) return damaged("it has no head");
  const std::string_view body = bytes.substr(kHeadBytes);
  if (sha256(body).view() != bytes.substr(kMagic.size(), sizeof(Digest::bytes))) {
    return damaged("it does not match its hash");
  }
  v1::Trace in;
  if (!in.ParseFromArray(body.data(), static_cast<int>(body.size())) || in.version() != kVersion) {
    return damaged("it is of another format");
  }
  if (static_cast<size_t>(in.files_size()) > kTraceFilesMax)
    return damaged("it has too many files");
  Trace out;
  std::unordered_set<std::string_view> seen;
  for (const v1::TraceFile& file : in.files()) {
    if (!seen.insert(file.path()).second) return damaged("a path comes twice");
    out.files.push_back(TRY(file_of(file)));
  }
  return out;
}

}  // namespace devrun::tree
