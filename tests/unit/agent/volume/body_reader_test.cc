// What BodyReader promises to readers and to the prefetch, over a store that can be held up.
#include "agent/volume/body_reader.h"

#include <gtest/gtest.h>

#include <future>
#include <thread>

#include "tests/unit/agent/volume/node_namespace.h"
#include "tests/unit/agent/volume/tree_builder.h"

namespace devrun::volume {
namespace {

// Holds reads of prefetch priority until it is opened.
class GatedStore final : public ObjectStore {
 public:
  Result<std::string> read_whole(const std::string& path, uint64_t bytes_max, Deadline deadline,
                                 Priority priority) override {
    pass(priority);
    return inner.read_whole(path, bytes_max, deadline, priority);
  }
  Result<std::string> read_range(const std::string& path, uint64_t offset, uint64_t size,
                                 Deadline deadline, Priority priority) override {
    pass(priority);
    return inner.read_range(path, offset, size, deadline, priority);
  }
  void count(std::map<std::string, uint64_t>& counters) const override { inner.count(counters); }

  void open_gate() {
    const std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }
  void await_held(unsigned count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return held_ == count; });
  }

  MemoryStore inner;

 private:
  void pass(Priority priority) {
    if (priority == Priority::kDemand) return;
    std::unique_lock lock(mutex_);
    held_ += 1;
    changed_.notify_all();
    changed_.wait(lock, [&] { return open_; });
    held_ -= 1;
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  unsigned held_ = 0;
  bool open_ = false;
};

constexpr uint64_t kMemory = 64 << 20;
constexpr unsigned kPrefetchesMax = 32;

std::string text_of(const std::vector<Slice>& slices) {
  std::string out;
  for (const Slice& slice : slices) out += slice.bytes;
  return out;
}

TEST(BodyReader, WhatWasWarmedIsReadWithoutTheStore) {
  MemoryStore store;
  const std::string text = long_text(2'500'000, 'w');
  const tree::Entry big = file(store, "big", text, 5);
  BodyReader reader(store, nullptr, kMemory);
  ASSERT_TRUE(reader.warm(big.body, big.size, 1'500'000, 600'000, {}).has_value());
  const uint64_t before = store.reads();  // the list and two chunks
  EXPECT_EQ(before, 3u);
  EXPECT_TRUE(text_of(*reader.read(big.body, big.size, 1'200'000, 1'300'000)) ==
              text.substr(1'200'000));
  EXPECT_EQ(store.reads(), before);
  EXPECT_TRUE(text_of(*reader.read(big.body, big.size, 0, 10)) == text.substr(0, 10));
}

TEST(BodyReader, APrefetchThatOnlyQueuesDoesNotStandInTheWayOfADemandRead) {
  GatedStore store;
  std::vector<tree::Entry> files;
  for (unsigned i = 0; i < kPrefetchesMax + 1; ++i) {
    files.push_back(file(store.inner, "f", long_text(5'000 + i, static_cast<char>('a' + i)), i));
  }
  BodyReader reader(store, nullptr, kMemory);
  std::vector<std::jthread> prefetches;
  for (unsigned i = 0; i < kPrefetchesMax; ++i) {
    prefetches.emplace_back(
        [&, i] { EXPECT_TRUE(reader.warm(files[i].body, files[i].size, 0, 1, {}).has_value()); });
  }
  store.await_held(kPrefetchesMax);
  const tree::Entry& last = files.back();
  prefetches.emplace_back(
      [&] { EXPECT_TRUE(reader.warm(last.body, last.size, 0, 1, {}).has_value()); });
  EXPECT_EQ(text_of(*reader.read(last.body, last.size, 0, 9'000)),
            long_text(5'000 + kPrefetchesMax, static_cast<char>('a' + kPrefetchesMax)));
  store.open_gate();
}

TEST(BodyReader, AQueuedPrefetchEndsWhenItsJobDoes) {
  GatedStore store;
  const tree::Entry one = file(store.inner, "f", long_text(9'000, 'x'), 5);
  BodyReader reader(store, nullptr, kMemory);
  std::stop_source ended;
  ended.request_stop();
  const Status status = reader.warm(one.body, one.size, 0, 9'000, ended.get_token());
  ASSERT_FALSE(status.has_value());
  EXPECT_EQ(status.error().code, Code::kCancelled);
  EXPECT_EQ(store.inner.reads(), 0u);
}

}  // namespace
}  // namespace devrun::volume
