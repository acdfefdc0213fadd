// The store over NFS, against a real server: what it answers, and that killing it costs time and
// nothing else.
#include <gtest/gtest.h>

#include <fstream>
#include <random>
#include <thread>

#include "agent/volume/fs_client.h"
#include "agent/volume/nfs_store.h"
#include "tests/unit/agent/volume/ganesha.h"
#include "tests/unit/agent/volume/node_namespace.h"
#include "tests/unit/agent/volume/tree_builder.h"

namespace devrun::volume {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

class Nfs : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!Ganesha::is_installed()) GTEST_SKIP() << "nfs-ganesha is not installed";
  }
  void put(const std::string& path, const std::string& bytes) {
    const std::filesystem::path full = folder_.path("export/" + path);
    std::filesystem::create_directories(full.parent_path());
    std::ofstream(full, std::ios::binary) << bytes;
  }
  std::unique_ptr<ObjectStore> open() {
    auto store = NfsStore::open({server_.address()}, {});
    EXPECT_TRUE(store.has_value());
    return std::move(*store);
  }

  TemporaryFolder folder_;
  Ganesha server_{folder_.path("export"), folder_.path("run")};
};

TEST(NfsAddress, Parses) {
  EXPECT_EQ(parse_nfs_address("127.0.0.1:20490")->port, 20490);
  EXPECT_EQ(parse_nfs_address("store")->port, 2049);
  EXPECT_EQ(parse_nfs_address("store:1/a//b/")->export_path, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(parse_nfs_address("[::1]:99/x")->host, "::1");
  for (const char* wrong : {"", ":1", "a:0", "a:65536", "a:1x", "[::1", "a:", "/x"}) {
    EXPECT_FALSE(parse_nfs_address(wrong).has_value()) << wrong;
  }
}

TEST_F(Nfs, ReadsWholeFilesRangesAndNothingElse) {
  const std::string big = long_text(3'333'333, 'n');
  put("content/ab/small", "hello");
  put("content/ab/empty", "");
  put("content/ab/big", big);
  server_.start();
  const auto store = open();
  const Deadline deadline = Clock::now() + std::chrono::seconds(10);
  EXPECT_EQ(*store->read_whole("content/ab/small", 100, deadline), "hello");
  EXPECT_EQ(*store->read_whole("content/ab/empty", 100, deadline), "");
  EXPECT_TRUE(*store->read_whole("content/ab/big", 4 << 20, deadline) == big);
  EXPECT_EQ(store->read_whole("content/ab/big", 2 << 20, deadline).error().code, Code::kExhausted);
  EXPECT_TRUE(*store->read_range("content/ab/big", 1'000'000, 2'000'000, deadline) ==
              big.substr(1'000'000, 2'000'000));
  EXPECT_TRUE(*store->read_range("content/ab/big", 3'333'330, 100, deadline) ==
              big.substr(3'333'330));
  EXPECT_EQ(*store->read_range("content/ab/big", 4'000'000, 100, deadline), "");
  EXPECT_EQ(store->read_whole("content/ab/none", 100, deadline).error().code, Code::kNotFound);
  EXPECT_EQ(store->read_whole("content/zz/none", 100, deadline).error().code, Code::kNotFound);
  put("content/ab/none", "now it is");
  EXPECT_EQ(*store->read_whole("content/ab/none", 100, deadline), "now it is");
  // A folder that went and came again: its old handle is stale.
  std::filesystem::rename(folder_.path("export/content/ab"), folder_.path("old"));
  std::filesystem::remove_all(folder_.path("old"));
  put("content/ab/new", "again");
  const auto again = store->read_whole("content/ab/new", 100, deadline);
  ASSERT_TRUE(again.has_value()) << again.error().message;
  EXPECT_EQ(*again, "again");
}

TEST_F(Nfs, AServerThatIsAwayIsAnErrorInTimeForWhoHasADeadline) {
  put("a", "x");
  const auto store = open();
  const auto begin = Clock::now();
  const auto read = store->read_whole("a", 10, begin + milliseconds(300));
  ASSERT_FALSE(read.has_value());
  EXPECT_EQ(read.error().code, Code::kUnavailable);
  EXPECT_LT(Clock::now() - begin, milliseconds(5000));
  server_.start();
  EXPECT_EQ(*store->read_whole("a", 10, {}), "x");
}

TEST_F(Nfs, KillingTheServerAgainAndAgainCostsNoReadAndNoByte) {
  std::vector<std::string> bodies;
  for (int i = 0; i < 20; ++i) {
    bodies.push_back(long_text(static_cast<size_t>(200'000 + i * 90'000), static_cast<char>(i)));
    put(fmt::format("content/{:02}/body", i), bodies.back());
  }
  server_.start();
  const auto store = open();
  std::atomic<bool> stop{false};
  std::atomic<uint64_t> reads{0};
  std::atomic<uint64_t> wrong{0};
  std::atomic<uint64_t> failed{0};
  std::vector<std::jthread> readers;
  for (unsigned seed = 0; seed < 8; ++seed) {
    readers.emplace_back([&, seed] {
      std::mt19937 random(seed);
      while (!stop) {
        const size_t i = random() % bodies.size();
        const uint64_t offset = random() % bodies[i].size();
        const uint64_t size = random() % 3 == 0 ? 4096 : 1 << 20;
        const auto read = store->read_range(fmt::format("content/{:02}/body", i), offset, size, {});
        reads += 1;
        if (!read) {
          failed += 1;
        } else if (*read != std::string_view(bodies[i]).substr(offset, size)) {
          wrong += 1;
        }
      }
    });
  }
  for (int kills = 0; kills < 5; ++kills) {
    const uint64_t before = reads;
    while (reads < before + 100) std::this_thread::yield();
    server_.kill();
    server_.start();
  }
  const uint64_t before = reads;
  while (reads < before + 100) std::this_thread::yield();
  stop = true;
  readers.clear();
  EXPECT_EQ(wrong, 0u);
  EXPECT_EQ(failed, 0u);
  std::map<std::string, uint64_t> counters;
  store->count(counters);
  EXPECT_GE(counters["nfs.connect"], 6u);
}

TEST_F(Nfs, AReaderOfTheMountWaitsForTheServerAndPrepareDoesNot) {
  in_own_namespace([this] {
    MemoryStore memory;
    TreeBuilder tree(memory);
    TreeBuilder other(memory);
    const std::string text = long_text(5'000'000, 'w');
    const Digest id = tree.finish({file(memory, "big", text, 5)});
    const Digest later = other.finish({file(memory, "f", "x", 6)});
    memory.write_to(folder_.path("export"));
    server_.start();
    TestNode node(open(), folder_);
    const std::string root = node.prepare(id);
    server_.kill();
    std::string read;
    std::jthread reader([&] { read = read_all(root + "/big"); });
    const auto refused = fs_prepare(node.control(), root_of(later));
    ASSERT_FALSE(refused.has_value());
    EXPECT_EQ(refused.error().code, Code::kUnavailable);
    server_.start();
    reader.join();
    EXPECT_TRUE(read == text);
    EXPECT_EQ(read_all(node.prepare(later) + "/f"), "x");
  });
}

}  // namespace
}  // namespace devrun::volume
