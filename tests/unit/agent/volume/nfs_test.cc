// The store over NFS, against a real server: what it answers, and that killing it costs time and
// nothing else.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <random>
#include <thread>

#include "agent/volume/body_reader.h"
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
  std::unique_ptr<ObjectStore> open() { return open({server_.address()}, {}); }
  std::unique_ptr<ObjectStore> open(std::vector<NfsAddress> addresses,
                                    NfsConnection::Options options) {
    auto store = NfsStore::open(std::move(addresses), options);
    EXPECT_TRUE(store.has_value());
    return std::move(*store);
  }
  static uint64_t counted(const ObjectStore& store, const std::string& name) {
    std::map<std::string, uint64_t> counters;
    store.count(counters);
    return counters[name];
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

// How often the server is killed: DEVRUN_NFS_KILLS=100 for the whole of it.
unsigned kills_wanted() {
  const char* words = std::getenv("DEVRUN_NFS_KILLS");
  return words == nullptr ? 10 : static_cast<unsigned>(std::atoi(words));
}

// Some read files and verify them, as a node does, with a memory too small to be of help; some read ranges, whose bytes
// the test itself compares.
TEST_F(Nfs, KillingTheServerAgainAndAgainCostsNoReadAndNoByte) {
  MemoryStore memory;
  std::vector<std::string> texts;
  std::vector<tree::Entry> files;
  for (unsigned i = 0; i < 40; ++i) {
    const size_t size = i % 4 == 0 ? 2'000'000 + i * 90'000 : 2'000 + i * 3'000;
    texts.push_back(long_text(size, static_cast<char>(i)));
    files.push_back(file(memory, "f", texts.back(), i));
  }
  memory.write_to(folder_.path("export"));
  server_.start();
  const auto store = open();
  BodyReader bodies(*store, nullptr, 3 << 20);
  std::atomic<bool> stop{false};
  std::atomic<uint64_t> reads{0}, wrong{0}, failed{0};
  std::vector<std::jthread> readers;
  for (unsigned seed = 0; seed < 8; ++seed) {
    readers.emplace_back([&, seed] {
      std::mt19937 random(seed);
      while (!stop) {
        const size_t i = random() % files.size();
        const uint64_t offset = random() % texts[i].size();
        const uint64_t size = random() % 3 == 0 ? 4096 : 1 << 20;
        Result<std::string> read = std::string();
        if (seed % 2 == 0) {
          read = store->read_range(tree::body_path(files[i].body), offset, size, {});
        } else {
          const auto slices = bodies.read(files[i].body, files[i].size, offset, size);
          if (!slices) read = slices.error();
          if (slices) {
            for (const Slice& slice : *slices) *read += slice.bytes;
          }
        }
        reads += 1;
        if (!read) {
          failed += 1;
        } else if (*read != std::string_view(texts[i]).substr(offset, size)) {
          wrong += 1;
        }
      }
    });
  }
  const unsigned kills = kills_wanted();
  for (unsigned i = 0; i <= kills; ++i) {
    const uint64_t before = reads;
    while (reads < before + 100) std::this_thread::sleep_for(milliseconds(1));
    if (i == kills) break;
    server_.kill();
    server_.start();
  }
  stop = true;
  readers.clear();
  EXPECT_EQ(wrong, 0u);
  EXPECT_EQ(failed, 0u);
  EXPECT_GE(counted(*store, "nfs.connect"), kills);
  std::map<std::string, uint64_t> counters;
  bodies.count(counters);
  EXPECT_EQ(counters["body.mismatches"], 0u);
}

TEST_F(Nfs, ASecondServerIsUsedWhileTheFirstIsDeadOrHangs) {
  put("content/ab/f", "the same");
  Ganesha second(folder_.path("export"), folder_.path("run2"));
  server_.start();
  second.start();
  NfsConnection::Options options;
  options.silence_max_of_several = milliseconds(300);
  options.look_at_preferred_every = milliseconds(50);
  const auto store = open({server_.address(), second.address()}, options);
  const auto read = [&] { return *store->read_whole("content/ab/f", 100, {}); };
  const auto until_server = [&](uint64_t number) {
    const auto end = Clock::now() + std::chrono::seconds(30);
    while (counted(*store, "nfs.server") != number && Clock::now() < end) {
      std::this_thread::sleep_for(milliseconds(10));
    }
    return counted(*store, "nfs.server");
  };
  EXPECT_EQ(read(), "the same");
  EXPECT_EQ(counted(*store, "nfs.server"), 0u);
  server_.kill();
  EXPECT_EQ(read(), "the same");
  EXPECT_EQ(counted(*store, "nfs.server"), 1u);
  server_.start();
  EXPECT_EQ(until_server(0), 0u);
  EXPECT_EQ(read(), "the same");
  server_.hang();
  EXPECT_EQ(read(), "the same");
  EXPECT_EQ(counted(*store, "nfs.server"), 1u);
  server_.go_on();
  EXPECT_EQ(until_server(0), 0u);
  second.kill();
  EXPECT_EQ(read(), "the same");
}

// In a process of its own, which is killed while it waits for a server that hangs.
void read_and_be_killed(const std::function<void()>& read) {
  int ready[2];
  ASSERT_EQ(::pipe(ready), 0);
  const pid_t reader = ::fork();
  ASSERT_GE(reader, 0);
  if (reader == 0) {
    ::signal(SIGUSR1, [](int) {});
    [[maybe_unused]] const ssize_t told = ::write(ready[1], "x", 1);
    read();
    ::_exit(1);
  }
  char byte = 0;
  ASSERT_EQ(::read(ready[0], &byte, 1), 1);
  // Time to arrive in the read: if it has not, the test is easier than it should be, never wrong.
  std::this_thread::sleep_for(milliseconds(100));
  ::kill(reader, SIGUSR1);  // not deadly: it goes on waiting
  std::this_thread::sleep_for(milliseconds(100));
  ASSERT_EQ(::waitpid(reader, nullptr, WNOHANG), 0);
  ::kill(reader, SIGKILL);
  int status = 0;
  const auto end = Clock::now() + std::chrono::seconds(20);
  while (::waitpid(reader, &status, WNOHANG) == 0) {
    ASSERT_LT(Clock::now(), end) << "a killed reader does not end";
    std::this_thread::sleep_for(milliseconds(5));
  }
  EXPECT_TRUE(WIFSIGNALED(status));
  ::close(ready[0]);
  ::close(ready[1]);
}

TEST_F(Nfs, WhoWaitsForAServerThatHangsCanBeKilled) {
  in_own_namespace([this] {
    MemoryStore memory;
    TreeBuilder tree(memory);
    const std::string text = long_text(5'000'000, 'h');
    const Digest id = tree.finish(
        {file(memory, "big", text, 5), file(memory, "mapped", text + "m", 6),
         file(memory, "small", long_text(9'000, 's'), 7), file(memory, "jump", text + "j", 8)});
    memory.write_to(folder_.path("export"));
    server_.start();
    TestNode node(open(), folder_);
    const std::string root = node.prepare(id);
    server_.hang();
    read_and_be_killed([&] { read_all(root + "/big"); });
    read_and_be_killed([&] { read_all(root + "/small"); });
    read_and_be_killed([&] {  // past the page cache: the kernel waits for the answer itself
      const int fd = ::open((root + "/jump").c_str(), O_RDONLY | O_DIRECT);
      alignas(4096) static char page[4096];
      [[maybe_unused]] const ssize_t n = ::pread(fd, page, sizeof page, 3 << 20);
    });
    read_and_be_killed([&] {
      const int fd = ::open((root + "/mapped").c_str(), O_RDONLY);
      const auto* bytes = static_cast<const volatile char*>(
          ::mmap(nullptr, text.size(), PROT_READ, MAP_PRIVATE, fd, 0));
      [[maybe_unused]] const char byte = bytes[2'000'000];
    });
    server_.go_on();
    EXPECT_TRUE(read_all(root + "/big") == text);
    EXPECT_TRUE(read_all(root + "/jump") == text + "j");
    EXPECT_TRUE(read_all(root + "/mapped") == text + "m");
  });
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
