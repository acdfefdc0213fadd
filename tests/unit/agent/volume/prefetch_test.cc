// Fetching ahead: by the trace of an earlier run, and by guessing. What it brings is there before it is asked for; what is
// wrong with a trace does no harm.
#include "agent/volume/prefetch.h"

#include <gtest/gtest.h>

#include <condition_variable>
#include <fstream>
#include <set>

#include "agent/volume/elf_needed.h"
#include "agent/volume/guess.h"
#include "agent/volume/runs.h"
#include "common/tree/trace.h"
#include "tests/unit/agent/volume/tree_builder.h"

namespace devrun::volume {
namespace {

constexpr std::chrono::seconds kPatience{20};
constexpr const char* kTrace = "traces/ml/abc";

class PrefetchTest : public ::testing::Test {
 protected:
  ~PrefetchTest() override { prefetcher_.stop(); }

  void prepare(const std::vector<tree::Entry>& entries) {
    TreeBuilder builder(store_);
    const auto prepared =
        vfs_.prepare(builder.finish(entries), std::chrono::steady_clock::now() + kPatience);
    ASSERT_TRUE(prepared.has_value()) << prepared.error().message;
    root_ = prepared->root;
  }
  NodeId node(const std::string& path) {
    const auto found = vfs_.find_file(root_, path);
    EXPECT_TRUE(found.has_value()) << path;
    return found ? found->node : 0;
  }
  // As the front does: the kernel learns of the file, then reads it.
  void demand(const std::string& path) {
    const NodeId file = node(path);
    prefetcher_.known(file);
    const Attributes attributes = *vfs_.attributes(file);
    runs_.read(file, 0, attributes.size);
    guesser_.read(file);
    EXPECT_TRUE(vfs_.read(file, 0, attributes.size).has_value());
  }
  bool stored_within_limit(const std::string& path) {
    const NodeId file = node(path);
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, kPatience, [&] { return stored_.contains(file); });
  }
  uint64_t counter(const std::string& name) {
    std::map<std::string, uint64_t> out;
    prefetcher_.count(out);
    runs_.count(out);
    return out[name];
  }
  bool counts(const std::string& name, uint64_t wanted) {
    const auto end = std::chrono::steady_clock::now() + kPatience;
    while (counter(name) < wanted && std::chrono::steady_clock::now() < end)
      std::this_thread::yield();
    return counter(name) == wanted;
  }
  bool store(NodeId file, uint64_t offset, const std::vector<Slice>& slices) {
    const std::lock_guard lock(mutex_);
    std::string bytes;
    for (const Slice& slice : slices) bytes += slice.bytes;
    stored_[file][offset] = bytes;
    changed_.notify_all();
    return true;
  }

  MemoryStore store_;
  std::unique_ptr<NodeState> state_ = std::move(*NodeState::create(""));
  Vfs vfs_{store_, nullptr, {}, *state_};
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<NodeId, std::map<uint64_t, std::string>> stored_;
  Prefetcher prefetcher_{vfs_,
                         [this](NodeId file, uint64_t offset, const std::vector<Slice>& slices) {
                           return store(file, offset, slices);
                         }};
  Guesser guesser_{vfs_, prefetcher_};
  Runs runs_{vfs_, prefetcher_, guesser_, store_};
  NodeId root_ = 0;
};

std::string bytes_of(char c, size_t size) {
  return std::string(size, c);
}

std::vector<tree::Entry> three_files(MemoryStore& store) {
  return {file(store, "a", bytes_of('a', 5000), 11), file(store, "b", bytes_of('b', 3 << 20), 12),
          file(store, "c", bytes_of('c', 9000), 13)};
}

TEST_F(PrefetchTest, WhatARunReadIsItsTrace) {
  prepare(three_files(store_));
  runs_.begin("one", root_, {});
  demand("c");
  demand("a");
  const Result<tree::Trace> trace = tree::decode_trace(runs_.end("one"));
  ASSERT_TRUE(trace.has_value()) << trace.error().message;
  ASSERT_EQ(trace->files.size(), 2u);
  EXPECT_EQ(trace->files[0], (tree::TraceFile{"c", {{0, 3}}}));
  EXPECT_EQ(trace->files[1], (tree::TraceFile{"a", {{0, 2}}}));
  EXPECT_TRUE(runs_.end("one").empty());
  EXPECT_TRUE(runs_.end("never begun").empty());
}

TEST_F(PrefetchTest, WhatAnotherTreesRunReadsIsInNoTraceOfThisOne) {
  prepare(three_files(store_));
  const NodeId mine = root_;
  runs_.begin("mine", mine, {});
  TreeBuilder builder(store_);
  builder.lineage = tree::Lineage{9};
  const Digest theirs = builder.finish({file(store_, "secret", bytes_of('s', 5000), 11)});
  root_ = vfs_.prepare(theirs, std::chrono::steady_clock::now() + kPatience)->root;
  runs_.begin("theirs", root_, {});
  demand("secret");
  root_ = mine;
  demand("a");
  const Result<tree::Trace> trace = tree::decode_trace(runs_.end("mine"));
  ASSERT_TRUE(trace.has_value());
  ASSERT_EQ(trace->files.size(), 1u);
  EXPECT_EQ(trace->files[0].path, "a");
  EXPECT_EQ(tree::decode_trace(runs_.end("theirs"))->files.at(0).path, "secret");
}

TEST_F(PrefetchTest, ATraceIsFetchedAndGivenToTheKernelOnceItKnowsTheFile) {
  prepare(three_files(store_));
  store_.put(kTrace, tree::encode_trace({{{"b", {{0, 1}, {512, 256}}}, {"a", {{0, 2}}}}}));
  prefetcher_.known(node("b"));
  runs_.begin("two", root_, {"traces/ml/none", kTrace});
  ASSERT_TRUE(stored_within_limit("b"));
  ASSERT_TRUE(counts("prefetch.bytes", 4096 + (1 << 20) + 5000));
  {
    const std::lock_guard lock(mutex_);
    EXPECT_FALSE(stored_.contains(node("a")));
    EXPECT_EQ(stored_[node("b")].at(2 << 20), bytes_of('b', 1 << 20));
  }
  store_.set_away(true);  // it is here already
  prefetcher_.known(node("a"));
  ASSERT_TRUE(stored_within_limit("a"));
  const std::lock_guard lock(mutex_);
  EXPECT_EQ(stored_[node("a")].at(0), bytes_of('a', 5000));
  store_.set_away(false);
}

TEST_F(PrefetchTest, ADamagedOrStaleTraceDoesNoHarm) {
  prepare(three_files(store_));
  std::string damaged = tree::encode_trace({{{"a", {{0, 2}}}}});
  damaged.back() = static_cast<char>(damaged.back() ^ 1);
  store_.put("traces/ml/damaged", damaged);
  store_.put(kTrace, tree::encode_trace({{{"gone", {{0, 9}}},
                                          {"../../etc/passwd", {{0, 9}}},
                                          {"a/b", {{0, 1}}},
                                          {"a", {{0, 900}, {5000, 3}}},
                                          {"c", {{4000000, 4}}}}}));
  runs_.begin("three", root_, {"traces/ml/damaged", kTrace});
  ASSERT_TRUE(counts("trace.replayed", 1));
  ASSERT_TRUE(counts("trace.files_missing", 3));
  ASSERT_TRUE(counts("prefetch.bytes", 5000));
  EXPECT_EQ(counter("trace.damaged"), 1u);
  demand("c");
}

TEST_F(PrefetchTest, NothingIsFetchedForARunThatEnded) {
  prepare(three_files(store_));
  store_.put(kTrace, tree::encode_trace({{{"a", {{0, 2}}}}}));
  store_.set_away(true);
  runs_.begin("four", root_, {kTrace});
  runs_.end("four");
  store_.set_away(false);
  prefetcher_.stop();
  EXPECT_EQ(counter("prefetch.bytes"), 0u);
}

TEST_F(PrefetchTest, SmallFilesOfAKindAreFetchedTogether) {
  TreeBuilder builder(store_);
  std::vector<tree::Entry> cache;
  for (int i = 0; i < 9; ++i) {
    cache.push_back(file(store_, "m" + std::to_string(i) + ".pyc", bytes_of('m', 2000),
                         100u + static_cast<unsigned>(i)));
  }
  cache.push_back(file(store_, "z.txt", bytes_of('z', 2000), 200));
  const auto prepared = vfs_.prepare(builder.finish({builder.folder("__pycache__", cache, 50)}),
                                     std::chrono::steady_clock::now() + kPatience);
  ASSERT_TRUE(prepared.has_value());
  root_ = prepared->root;
  demand("__pycache__/m4.pyc");
  ASSERT_TRUE(counts("prefetch.bytes", 9 * 2000));
  store_.set_away(true);
  EXPECT_TRUE(vfs_.read(node("__pycache__/m8.pyc"), 0, 2000).has_value());
  store_.set_away(false);
}

TEST(ElfNeeded, IsWhatTheLoaderWouldOpen) {
  std::ifstream in("/bin/sh", std::ios::binary);
  std::string program((std::istreambuf_iterator<char>(in)), {});
  const auto read = [&](uint64_t offset, uint64_t size) {
    return offset < program.size() ? program.substr(offset, size) : std::string();
  };
  ASSERT_TRUE(is_elf(read(0, kElfHeadBytes)));
  const std::vector<std::string> needed = elf_needed(read);
  const std::set<std::string> names(needed.begin(), needed.end());
  EXPECT_TRUE(names.contains("libc.so.6")) << needed.size();
  EXPECT_TRUE(elf_needed([](uint64_t, uint64_t) { return std::string("#!/bin/sh\n"); }).empty());
  // Nothing that a file can hold leads out of it.
  for (size_t i = 0; i < kElfHeadBytes; ++i) {
    const char was = program[i];
    program[i] = static_cast<char>(was ^ 0xff);
    for (const std::string& name : elf_needed(read)) EXPECT_EQ(name.find('/'), std::string::npos);
    program[i] = was;
  }
}

}  // namespace
}  // namespace devrun::volume
