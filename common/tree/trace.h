// What a run of a program reads first of its tree, in order: recorded where it ran, kept in the store, and used to fetch
// the same for later runs on nodes that lack it. By path, so that it holds for the next snapshot too. Only a hint: whatever
// is wrong with one costs speed.
//
// Which runs share one: those of a volume whose command line names the same program and script (trace_paths).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"

namespace devrun::tree {

inline constexpr uint64_t kTracePageBytes = 4096;
inline constexpr size_t kTraceBytesMax = 1 << 20;  // encoded
inline constexpr size_t kTraceFilesMax = 8192;
inline constexpr size_t kTraceRangesMax = 256;  // of one file

struct PageRange {
  uint32_t first = 0;
  uint32_t count = 0;  // at least 1
  bool operator==(const PageRange&) const = default;
};

struct TraceFile {
  std::string path;               // below the tree's root, without a leading slash
  std::vector<PageRange> ranges;  // sorted, apart from each other
  bool operator==(const TraceFile&) const = default;
};

struct Trace {
  std::vector<TraceFile> files;  // by first touch; no path twice
  bool operator==(const Trace&) const = default;
};

// Sorts, joins what touches or overlaps, and over kTraceRangesMax joins what lies closest.
void tidy(std::vector<PageRange>& ranges);

// Leaves the last files out if it would be longer than kTraceBytesMax.
std::string encode_trace(const Trace& trace);
// kCorrupt: no trace that encode_trace made.
Result<Trace> decode_trace(std::string_view bytes);

// Both, in the order of `known`, then what only `fresh` has. The last go where there are too many.
Trace merge_traces(const Trace& known, const Trace& fresh);
// How many bytes `fresh` has that `known` lacks, a file that is new counting as a page at least.
uint64_t trace_bytes_beyond(const Trace& fresh, const Trace& known);

// Where the trace of a command line lies in the export, the one to use first first: that of the program and its script;
// that of whatever the program ran last. `volume` is a volume's name.
std::vector<std::string> trace_paths(const std::string& volume,
                                     const std::vector<std::string>& argv);

}  // namespace devrun::tree
