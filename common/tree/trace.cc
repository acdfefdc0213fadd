#include "common/tree/trace.h"

#include <algorithm>
#include <unordered_map>

#include "common/base/digest.h"
#include "common/tree/codec.h"
#include "common/tree/paths.h"

namespace devrun::tree {

namespace {

uint64_t end_of(const PageRange& range) {
  return uint64_t{range.first} + range.count;
}

void join_over_gaps(std::vector<PageRange>& ranges, uint64_t gap_max) {
  size_t kept = 0;
  for (size_t i = 1; i < ranges.size(); ++i) {
    PageRange& last = ranges[kept];
    if (ranges[i].first <= end_of(last) + gap_max) {
      const uint64_t end = std::max(end_of(last), end_of(ranges[i]));
      last.count = static_cast<uint32_t>(end - last.first);
    } else {
      ranges[++kept] = ranges[i];
    }
  }
  if (!ranges.empty()) ranges.resize(kept + 1);
}

uint64_t pages_beyond(const std::vector<PageRange>& fresh, const std::vector<PageRange>& known) {
  uint64_t out = 0;
  for (const PageRange& range : fresh) {
    uint64_t covered = 0;
    for (const PageRange& other : known) {
      const uint64_t first = std::max(range.first, other.first);
      const uint64_t end = std::min(end_of(range), end_of(other));
      if (end > first) covered += end - first;
    }
    out += range.count - covered;
  }
  return out;
}

// The word after an option that carries the program's text or module; else the first that is no option.
std::string script_of(const std::vector<std::string>& argv) {
  for (size_t i = 1; i < argv.size(); ++i) {
    if ((argv[i] == "-c" || argv[i] == "-m" || argv[i] == "-e") && i + 1 < argv.size()) {
      return argv[i] + " " + argv[i + 1];
    }
    if (!argv[i].starts_with('-')) return argv[i];
  }
  return {};
}

std::string hashed(const std::string& program, const std::string* script) {
  std::string text = "devrun trace";
  text.push_back('\0');
  text += program;
  if (script != nullptr) {
    text.push_back('\0');
    text += *script;
  }
  return sha256(text).hex();
}

}  // namespace

void tidy(std::vector<PageRange>& ranges) {
  std::erase_if(ranges, [](const PageRange& range) { return range.count == 0; });
  std::sort(ranges.begin(), ranges.end(),
            [](const PageRange& a, const PageRange& b) { return a.first < b.first; });
  join_over_gaps(ranges, 0);
  for (uint64_t gap = 1; ranges.size() > kTraceRangesMax; gap *= 2) join_over_gaps(ranges, gap);
}

Trace merge_traces(const Trace& known, const Trace& fresh) {
  Trace out = known;
  std::unordered_map<std::string_view, size_t> places;
  for (size_t i = 0; i < known.files.size(); ++i) places.emplace(known.files[i].path, i);
  for (const TraceFile& file : fresh.files) {
    const auto place = places.find(file.path);
    if (place == places.end()) {
      if (out.files.size() < kTraceFilesMax) out.files.push_back(file);
      continue;
    }
    std::vector<PageRange>& ranges = out.files[place->second].ranges;
    ranges.insert(ranges.end(), file.ranges.begin(), file.ranges.end());
    tidy(ranges);
  }
  return out;
}

uint64_t trace_bytes_beyond(const Trace& fresh, const Trace& known) {
  std::unordered_map<std::string_view, const TraceFile*> places;
  for (const TraceFile& file : known.files) places.emplace(file.path, &file);
  uint64_t pages = 0;
  for (const TraceFile& file : fresh.files) {
    const auto place = places.find(file.path);
    pages += pages_beyond(file.ranges,
                          place == places.end() ? std::vector<PageRange>{} : place->second->ranges);
  }
  return pages * kTracePageBytes;
}

std::vector<std::string> trace_paths(const std::string& volume,
                                     const std::vector<std::string>& argv) {
  if (argv.empty()) return {};
  const std::string& program = argv.front();
  const std::string script = script_of(argv);
  return {trace_path(volume, hashed(program, &script)),
          trace_path(volume, hashed(program, nullptr))};
}

}  // namespace devrun::tree
