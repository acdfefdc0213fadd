// Traces as values: what is written is read again, what is damaged is refused, and merging loses nothing.
#include "common/tree/trace.h"

#include <gtest/gtest.h>

#include <random>
#include <set>

namespace devrun::tree {
namespace {

Trace random_trace(std::minstd_rand& random, int files) {
  Trace out;
  for (int i = 0; i < files; ++i) {
    TraceFile file{"usr/lib/f" + std::to_string(random() % 1000), {}};
    const bool twice = std::any_of(out.files.begin(), out.files.end(),
                                   [&](const TraceFile& other) { return other.path == file.path; });
    if (twice) continue;
    for (auto n = random() % 5; n > 0; --n) {
      file.ranges.push_back(
          {static_cast<uint32_t>(random() % 5000), 1 + static_cast<uint32_t>(random() % 300)});
    }
    tidy(file.ranges);
    out.files.push_back(std::move(file));
  }
  return out;
}

std::set<std::pair<std::string, uint32_t>> pages_of(const Trace& trace) {
  std::set<std::pair<std::string, uint32_t>> out;
  for (const TraceFile& file : trace.files) {
    for (const PageRange& range : file.ranges) {
      for (uint32_t i = 0; i < range.count; ++i) out.emplace(file.path, range.first + i);
    }
  }
  return out;
}

TEST(Trace, IsReadAsItWasWritten) {
  std::minstd_rand random(5);
  for (int round = 0; round < 50; ++round) {
    const Trace trace = random_trace(random, round);
    const Result<Trace> again = decode_trace(encode_trace(trace));
    ASSERT_TRUE(again.has_value()) << again.error().message;
    EXPECT_EQ(*again, trace);
  }
}

TEST(Trace, DamagedAnywhereIsRefused) {
  std::minstd_rand random(6);
  const std::string whole = encode_trace(random_trace(random, 5));
  for (size_t i = 0; i < whole.size(); ++i) {
    std::string damaged = whole;
    damaged[i] = static_cast<char>(damaged[i] ^ 1);
    EXPECT_FALSE(decode_trace(damaged).has_value()) << "byte " << i;
    EXPECT_FALSE(decode_trace(whole.substr(0, i)).has_value()) << "cut at " << i;
  }
}

TEST(Trace, WithWhatNoRecorderWritesIsRefused) {
  const std::vector<Trace> wrong = {{{{"/absolute", {}}}},        {{{"", {}}}},
                                    {{{"a", {{4, 0}}}}},          {{{"a", {{4, 2}, {5, 1}}}}},
                                    {{{"a", {{4, 2}, {6, 1}}}}},  {{{"a", {{9, 1}, {1, 1}}}}},
                                    {{{"a", {{0xffffffff, 9}}}}}, {{{"a", {}}, {"a", {}}}}};
  for (const Trace& trace : wrong) EXPECT_FALSE(decode_trace(encode_trace(trace)).has_value());
}

TEST(Trace, MergedHasAllOfBothAndKeepsTheOrder) {
  std::minstd_rand random(7);
  for (int round = 0; round < 50; ++round) {
    const Trace known = random_trace(random, 30);
    const Trace fresh = random_trace(random, 30);
    const Trace merged = merge_traces(known, fresh);
    auto all = pages_of(known);
    for (const auto& page : pages_of(fresh)) all.insert(page);
    EXPECT_EQ(pages_of(merged), all);
    ASSERT_GE(merged.files.size(), known.files.size());
    for (size_t i = 0; i < known.files.size(); ++i) {
      EXPECT_EQ(merged.files[i].path, known.files[i].path);
    }
    EXPECT_TRUE(decode_trace(encode_trace(merged)).has_value());
    EXPECT_EQ(trace_bytes_beyond(fresh, merged), 0u);
    EXPECT_EQ(trace_bytes_beyond(merged, known),
              (all.size() - pages_of(known).size()) * kTracePageBytes);
  }
}

TEST(Trace, IsBounded) {
  Trace trace;
  for (size_t i = 0; i < kTraceFilesMax; ++i) {
    TraceFile file{std::string(200, 'd') + std::to_string(i), {}};
    for (uint32_t n = 0; n < 10 * kTraceRangesMax; n += 2) file.ranges.push_back({n, 1});
    tidy(file.ranges);
    EXPECT_LE(file.ranges.size(), kTraceRangesMax);
    trace.files.push_back(std::move(file));
  }
  const std::string bytes = encode_trace(trace);
  EXPECT_LE(bytes.size(), kTraceBytesMax);
  const Result<Trace> first = decode_trace(bytes);
  ASSERT_TRUE(first.has_value()) << first.error().message;
  ASSERT_FALSE(first->files.empty());
  EXPECT_EQ(first->files.front(), trace.files.front());
  Trace other;
  other.files.push_back({"one more", {}});
  EXPECT_EQ(merge_traces(trace, other).files.size(), kTraceFilesMax);
}

TEST(Trace, IsOfOneVolumeProgramAndScript) {
  const std::vector<std::string> train = {"python3", "train.py", "--lr", "0.1"};
  const std::vector<std::string> paths = trace_paths("ml", train);
  ASSERT_EQ(paths.size(), 2u);
  EXPECT_EQ(paths, trace_paths("ml", {"python3", "-u", "train.py", "--lr", "0.2"}));
  for (const std::string& path : paths) EXPECT_TRUE(path.starts_with("traces/ml/"));
  const std::vector<std::string> other = trace_paths("ml", {"python3", "test.py"});
  EXPECT_NE(other[0], paths[0]);
  EXPECT_EQ(other[1], paths[1]);  // of the program, whatever its script
  EXPECT_NE(trace_paths("ml", {"python3", "-c", "train.py"})[0], paths[0]);
  EXPECT_NE(trace_paths("ml", {"python3.11", "train.py"})[1], paths[1]);
  EXPECT_TRUE(trace_paths("theirs", train)[0].starts_with("traces/theirs/"));
  EXPECT_TRUE(trace_paths("ml", {}).empty());
}

}  // namespace
}  // namespace devrun::tree
