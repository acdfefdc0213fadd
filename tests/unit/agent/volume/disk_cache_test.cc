// The disk cache: what was put is found again, also after a crash at any point; damage is a miss; limits hold.
#include "agent/volume/disk_cache.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <random>

#include "agent/volume/crc32c.h"
#include "common/tree/codec.h"
#include "tests/unit/agent/volume/node_namespace.h"

namespace devrun::volume {
namespace {

namespace fs = std::filesystem;

ChunkKey key_of(unsigned number, uint32_t index = 0) {
  tree::Body body{tree::BodyKind::kChunked,
                  std::string(tree::sha256(std::to_string(number)).view())};
  return ChunkKey::of(body, index);
}
DiskCache::Bytes bytes_of(unsigned number, size_t size) {
  return std::make_shared<const std::string>(long_text(size, static_cast<char>(number)) +
                                             std::to_string(number));
}
std::unique_ptr<DiskCache> open(const std::string& folder, uint64_t bytes_max = 64 << 20) {
  auto cache = DiskCache::open(folder, {.bytes_max = bytes_max, .free_percent_min = 0});
  EXPECT_TRUE(cache.has_value()) << cache.error().message;
  return std::move(*cache);
}
std::map<std::string, uint64_t> counted(const DiskCache& cache) {
  std::map<std::string, uint64_t> out;
  cache.count(out);
  return out;
}
// How many of the chunks 0 to `count` are there; each that is must be right.
unsigned right_ones(DiskCache& cache, unsigned count, size_t size) {
  unsigned out = 0;
  for (unsigned i = 0; i < count; ++i) {
    const DiskCache::Bytes bytes = cache.get(key_of(i));
    if (!bytes) continue;
    EXPECT_EQ(*bytes, *bytes_of(i, size)) << i;
    out += 1;
  }
  return out;
}

TEST(Crc32c, IsTheOneThatEverybodyMeans) {
  EXPECT_EQ(crc32c("123456789"), 0xe3069283u);
  const std::string text = long_text(10'003, 'c');
  EXPECT_EQ(crc32c(text), crc32c_by_table(text));
  EXPECT_EQ(crc32c(text.substr(77), crc32c(text.substr(0, 77))), crc32c(text));
}

TEST(DiskIndex, AgreesWithAMapOverRandomOperations) {
  DiskIndex index;
  std::map<uint64_t, uint32_t> wanted;
  std::mt19937_64 random(7);
  for (uint32_t i = 0; i < 200'000; ++i) {
    const uint64_t hash = (random() % 5'000 + 1) << (random() % 2 * 20);  // with long runs
    if (random() % 3 == 0) {
      index.erase(hash);
      wanted.erase(hash);
    } else {
      index.put({hash, i, 0, 0, false});
      wanted[hash] = i;
    }
  }
  EXPECT_EQ(index.count(), wanted.size());
  for (uint64_t hash = 1; hash <= 5'000; ++hash) {
    const auto found = wanted.find(hash);
    const DiskIndex::Cell* cell = index.find(hash);
    ASSERT_EQ(cell != nullptr, found != wanted.end()) << hash;
    if (cell != nullptr) {
      EXPECT_EQ(cell->segment, found->second);
    }
  }
}

TEST(DiskCache, KeepsChunksOverARestart) {
  const TemporaryFolder folder;
  {
    const auto cache = open(folder.path("cache"));
    for (unsigned i = 0; i < 500; ++i) cache->put(key_of(i), bytes_of(i, i * 37));
    EXPECT_NE(cache->get(key_of(499)), nullptr);  // from the queue, most likely
    EXPECT_EQ(cache->get(key_of(499, 1)), nullptr);
    cache->settle();
    EXPECT_EQ(*cache->get(key_of(3)), *bytes_of(3, 111));
  }
  const auto cache = open(folder.path("cache"));
  cache->settle();
  for (unsigned i = 0; i < 500; ++i) {
    const auto bytes = cache->get(key_of(i));
    ASSERT_NE(bytes, nullptr) << i;
    EXPECT_EQ(*bytes, *bytes_of(i, i * 37));
  }
  EXPECT_EQ(counted(*cache)["cache.hits"], 500u);
}

// The writer is killed as it is, again and again, over one folder.
TEST(DiskCache, SurvivesBeingKilledAtAnyPoint) {
  const TemporaryFolder folder;
  unsigned most = 0;
  for (unsigned round = 1; round <= 12; ++round) {
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      auto cache =
          DiskCache::open(folder.path("cache"), {.bytes_max = 32 << 20, .free_percent_min = 0});
      (*cache)->settle();
      for (unsigned i = 0; i < 2'000; ++i) {
        (*cache)->put(key_of(i), bytes_of(i, 5'000));
        if (i == round * 150) ::kill(::getpid(), SIGKILL);
      }
      ::_exit(1);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    ASSERT_TRUE(WIFSIGNALED(status));
    const auto cache = open(folder.path("cache"), 32 << 20);
    cache->settle();
    most = std::max(most, right_ones(*cache, 2'000, 5'000));
  }
  EXPECT_GT(most, 500u);
}

TEST(DiskCache, DamageAndTruncationAreMissesNeverWrongBytes) {
  const TemporaryFolder folder;
  const std::string kept = folder.path("kept");
  {
    const auto cache = open(kept);
    for (unsigned i = 0; i < 300; ++i) cache->put(key_of(i), bytes_of(i, 4'000));
  }
  std::mt19937 random(3);
  for (int round = 0; round < 40; ++round) {
    const std::string copy = folder.path(fmt::format("copy{}", round));
    fs::copy(kept, copy, fs::copy_options::recursive);
    fs::path segment;
    for (const auto& entry : fs::directory_iterator(copy)) segment = entry.path();
    const uint64_t size = fs::file_size(segment);
    if (round % 2 == 0) {
      fs::resize_file(segment, random() % size);
    } else {
      std::fstream file(segment, std::ios::in | std::ios::out | std::ios::binary);
      for (int i = 0; i < 20; ++i) {
        file.seekp(
            static_cast<std::streamoff>(random() % (size * 3 / 4)));  // the table stays whole
        file.put(static_cast<char>(random()));
      }
    }
    const auto cache = open(copy);
    cache->settle();
    const unsigned right = right_ones(*cache, 300, 4'000);
    EXPECT_TRUE(round % 2 == 0 || right > 200) << right;
  }
}

TEST(DiskCache, HoldsItsLimitAndKeepsWhatIsRead) {
  const TemporaryFolder folder;
  constexpr uint64_t kLimit = 32 << 20;
  const auto cache = open(folder.path("cache"), kLimit);
  for (unsigned i = 0; i < 2'000; ++i) {
    cache->put(key_of(i), bytes_of(i, 60'000));  // 120 MB in all
    if (i % 50 == 0) {
      cache->settle();
      ASSERT_NE(cache->get(key_of(7 * (i > 50))), nullptr) << i;
      ASSERT_LE(counted(*cache)["cache.bytes"], kLimit);
    }
  }
  cache->settle();
  auto counters = counted(*cache);
  EXPECT_GT(counters["cache.evicted"], 1'000u);
  EXPECT_GT(counters["cache.bytes"], kLimit / 2);
  EXPECT_EQ(cache->get(key_of(20)), nullptr);
  EXPECT_NE(cache->get(key_of(1'999)), nullptr);
  uint64_t on_disk = 0;
  for (const auto& entry : fs::directory_iterator(folder.path("cache")))
    on_disk += entry.file_size();
  EXPECT_LE(on_disk, kLimit);
}

TEST(DiskCache, AFullDiskCostsNobodyAnything) {
  in_own_namespace([] {
    const TemporaryFolder folder;
    const std::string disk = folder.path("disk");
    fs::create_directories(disk);
    ASSERT_EQ(::mount("none", disk.c_str(), "tmpfs", 0, "size=6m"), 0);
    {
      const auto cache = open(disk);
      std::ofstream(disk + "/other") << std::string(3 << 20, 'x');
      for (unsigned i = 0; i < 1'000; ++i) {
        cache->put(key_of(i), bytes_of(i, 9'000));
        if (i % 100 == 0) cache->settle();
      }
      cache->settle();
      auto counters = counted(*cache);
      EXPECT_GT(counters["cache.dropped"], 0u);
      EXPECT_GT(right_ones(*cache, 1'000, 9'000), 0u);
      EXPECT_EQ(counted(*cache)["cache.damaged"], 0u);
    }
    ::umount2(disk.c_str(), MNT_DETACH);
  });
}

TEST(DiskCache, AFolderHasOneUserAtATime) {
  const TemporaryFolder folder;
  auto first = open(folder.path("cache"));
  first->put(key_of(1), bytes_of(1, 100));
  first->settle();
  const auto second = open(folder.path("cache"));
  EXPECT_EQ(second->get(key_of(1)), nullptr);
  first.reset();
  second->settle();  // it has the folder now
  EXPECT_NE(second->get(key_of(1)), nullptr);
}

TEST(DiskCache, RefusesLimitsThatMakeNoSense) {
  const TemporaryFolder folder;
  EXPECT_FALSE(DiskCache::open(folder.path("a"), {.bytes_max = 1 << 20}).has_value());
  EXPECT_FALSE(DiskCache::open(folder.path("a"), {.free_percent_min = 100}).has_value());
}

}  // namespace
}  // namespace devrun::volume
