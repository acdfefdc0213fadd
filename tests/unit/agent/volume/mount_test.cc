// The file system through the kernel: real FUSE mounts, overlays on them, and what the kernel asks
// for and does not ask for again.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <fstream>
#include <thread>

#include "agent/volume/fs_client.h"
#include "agent/volume/host_store.h"
#include "tests/unit/agent/volume/node_namespace.h"
#include "tests/unit/agent/volume/tree_builder.h"

namespace devrun::volume {
namespace {

namespace fs = std::filesystem;

struct stat stat_of(const std::string& path) {
  struct stat out {};
  EXPECT_EQ(::lstat(path.c_str(), &out), 0) << path << ": " << std::strerror(errno);
  return out;
}

std::unique_ptr<ObjectStore> folder_store(const MemoryStore& store, const TemporaryFolder& folder) {
  store.write_to(folder.path("export"));
  fs::create_directories(folder.path("export"));
  auto out = HostStore::open(folder.path("export"));
  EXPECT_TRUE(out.has_value());
  return std::move(*out);
}

TEST(Mount, ShowsATreeWithAllItsKinds) {
  in_own_namespace([] {
    const TemporaryFolder folder;
    MemoryStore store;
    TreeBuilder tree(store);
    tree::Entry program = file(store, "su", "#!/bin/sh\n", 5);
    program.mode = 04755;
    tree::Entry device = file(store, "null", "", 6);
    device.type = tree::EntryType::kCharacterDevice;
    device.device = makedev(1, 3);
    tree::Entry fifo = file(store, "pipe", "", 7);
    fifo.type = tree::EntryType::kFifo;
    fifo.uid = 1000;
    fifo.gid = 100;
    const std::string big = long_text(2'500'000, 'x');
    const Digest id =
        tree.finish({tree.folder("bin", {program}, 4), device, fifo, link_to("link", "bin/su", 8),
                     file(store, "big", big, 9), file(store, "empty", "", 10)});
    TestNode node(folder_store(store, folder), folder);
    const std::string root = node.prepare(id);
    EXPECT_EQ(root, folder.path("plain/" + id.hex()));
    EXPECT_EQ(read_all(root + "/link"), "#!/bin/sh\n");
    EXPECT_TRUE(read_all(root + "/big") == big);
    EXPECT_EQ(read_all(root + "/empty"), "");
    EXPECT_EQ(stat_of(root + "/bin/su").st_mode, static_cast<mode_t>(S_IFREG | 04755));
    EXPECT_EQ(stat_of(root + "/null").st_rdev, makedev(1, 3));
    EXPECT_EQ(stat_of(root + "/pipe").st_uid, 1000u);
    const struct stat st = stat_of(root + "/big");
    EXPECT_EQ(st.st_ino, 9u);
    EXPECT_EQ(st.st_mtim.tv_sec, 1'600'000'000);
    EXPECT_EQ(st.st_mtim.tv_nsec, 123'456'789);
    EXPECT_EQ(::access((root + "/nothing").c_str(), F_OK), -1);
    EXPECT_EQ(errno, ENOENT);
    EXPECT_EQ(::open((root + "/big").c_str(), O_RDWR), -1);
    EXPECT_EQ(errno, EROFS);
    std::set<std::string> names;
    for (const auto& entry : fs::directory_iterator(root)) names.insert(entry.path().filename());
    EXPECT_EQ(names, (std::set<std::string>{"big", "bin", "empty", "link", "null", "pipe"}));
  });
}

TEST(Mount, TheRootShowsTreesAsTheyArePrepared) {
  in_own_namespace([] {
    const TemporaryFolder folder;
    MemoryStore store;
    TreeBuilder one(store);
    TreeBuilder two(store);
    const Digest first = one.finish({file(store, "a", "1", 5)});
    const Digest second = two.finish({file(store, "a", "2", 5)});
    TestNode node(folder_store(store, folder), folder);
    const auto listed = [&] {
      std::set<std::string> names;
      for (const auto& entry : fs::directory_iterator(folder.path("plain"))) {
        names.insert(entry.path().filename());
      }
      return names;
    };
    EXPECT_EQ(::access(folder.path("plain/" + first.hex()).c_str(), F_OK), -1);
    node.prepare(first);
    EXPECT_EQ(listed(), std::set<std::string>{first.hex()});
    EXPECT_EQ(::access(folder.path("plain/" + second.hex()).c_str(), F_OK), -1);
    node.prepare(second);
    EXPECT_EQ(listed(), (std::set<std::string>{first.hex(), second.hex()}));
    EXPECT_EQ(read_all(folder.path("plain/" + second.hex() + "/a")), "2");
    EXPECT_EQ(::access(folder.path("xattr/" + second.hex()).c_str(), F_OK), -1);
  });
}

TEST(Mount, WhatIsKnownIsNotAskedForAgainNorReadAgainForTheNextSnapshot) {
  in_own_namespace([] {
    const TemporaryFolder folder;
    MemoryStore store;
    TreeBuilder first(store);
    const std::string text = long_text(300'000, 'k');
    const auto module = file(store, "module.py", text, 5);
    const Digest one =
        first.finish({first.folder("lib", {module}, 4), file(store, "train.py", "v1", 6)});
    TreeBuilder second(store);
    tree::Entry edited = file(store, "train.py", "v2", 6);
    edited.ctime_ns += 5;
    const Digest two = second.finish({second.folder("lib", {module}, 4), edited});

    TestNode node(folder_store(store, folder), folder);
    const std::string a = node.overlay(node.prepare(one), "a");
    const auto walk = [&](const std::string& root) {
      EXPECT_TRUE(read_all(root + "/lib/module.py") == text);
      EXPECT_EQ(::access((root + "/lib/missing.py").c_str(), F_OK), -1);
      for (const auto& entry : fs::directory_iterator(root + "/lib")) stat_of(entry.path());
    };
    walk(a);
    EXPECT_EQ(read_all(a + "/train.py"), "v1");
    auto before = node.count();
    EXPECT_LE(before["upcall.open"], 1u);
    EXPECT_LE(before["upcall.opendir"], 1u);
    walk(a);
    auto after = node.count();
    for (const char* kind : {"lookup", "read", "readdir", "readdirplus", "getattr", "open"}) {
      const std::string name = std::string("upcall.") + kind;
      EXPECT_EQ(after[name], before[name]) << name;
    }
    const std::string b = node.overlay(node.prepare(two), "b");
    walk(b);
    EXPECT_EQ(node.count()["upcall.read"], after["upcall.read"]);
    EXPECT_EQ(read_all(b + "/train.py"), "v2");
    EXPECT_EQ(read_all(a + "/train.py"), "v1");
  });
}

TEST(Mount, AWriteThroughAnOverlayChangesNoOtherName) {
  in_own_namespace([] {
    const TemporaryFolder folder;
    MemoryStore store;
    TreeBuilder tree(store);
    const tree::Entry a = file(store, "a", "same", 5);
    tree::Entry b = a;
    b.name = "b";
    const Digest id = tree.finish({a, b});
    TestNode node(folder_store(store, folder), folder);
    const std::string lower = node.prepare(id);
    const std::string root = node.overlay(lower, "x");
    std::ofstream(root + "/a") << "written";
    EXPECT_EQ(read_all(root + "/a"), "written");
    EXPECT_EQ(read_all(root + "/b"), "same");
    EXPECT_EQ(read_all(lower + "/a"), "same");
    fs::remove(root + "/b");
    EXPECT_EQ(::access((root + "/b").c_str(), F_OK), -1);
    EXPECT_EQ(read_all(node.overlay(lower, "y") + "/b"), "same");
  });
}

TEST(Mount, AnOverlayLiesOnAnOverlay) {
  in_own_namespace([] {
    const TemporaryFolder folder;
    MemoryStore store;
    TreeBuilder tree(store);
    const Digest id = tree.finish({tree.folder("d", {file(store, "f", "lower", 6)}, 5)});
    TestNode node(folder_store(store, folder), folder);
    const std::string job = node.overlay(node.prepare(id), "job");
    std::ofstream(job + "/d/g") << "the job's";
    const std::string inside = node.overlay(job, "inside");
    EXPECT_EQ(read_all(inside + "/d/f"), "lower");
    std::ofstream(inside + "/d/f") << "inside";
    fs::rename(inside + "/d/g", inside + "/g");
    EXPECT_EQ(read_all(inside + "/d/f"), "inside");
    EXPECT_EQ(read_all(inside + "/g"), "the job's");
    EXPECT_EQ(read_all(job + "/d/f"), "lower");
    EXPECT_EQ(read_all(job + "/d/g"), "the job's");
    fs::remove_all(inside + "/d");
    EXPECT_FALSE(fs::exists(inside + "/d"));
    EXPECT_TRUE(fs::exists(job + "/d/f"));
  });
}

TEST(Mount, XattrsAreShownOnlyWhereATreeHasThem) {
  in_own_namespace([] {
    const TemporaryFolder folder;
    MemoryStore store;
    TreeBuilder with(store);
    with.has_xattrs = true;
    tree::Entry noted = file(store, "noted", "x", 5);
    noted.xattrs = {{"trusted.overlay.redirect", "/etc"}, {"user.note", "hello"}};
    const Digest one = with.finish({noted, file(store, "bare", "y", 6)});
    TreeBuilder without(store);
    const Digest two = without.finish({file(store, "f", "x", 7)});
    TestNode node(folder_store(store, folder), folder);
    const std::string root = node.overlay(node.prepare(one), "x");
    char value[64];
    EXPECT_EQ(::getxattr((root + "/noted").c_str(), "user.note", value, sizeof value), 5);
    EXPECT_EQ(std::string(value, 5), "hello");
    EXPECT_EQ(::listxattr((root + "/noted").c_str(), value, sizeof value), 10);
    EXPECT_EQ(::getxattr((root + "/bare").c_str(), "user.note", value, sizeof value), -1);
    EXPECT_EQ(errno, ENODATA);
    const std::string plain = node.prepare(two);
    for (int i = 0; i < 3; ++i) {
      EXPECT_EQ(::getxattr((plain + "/f").c_str(), "user.note", value, sizeof value), -1);
      EXPECT_EQ(errno, EOPNOTSUPP);
    }
  });
}

TEST(Mount, PrepareNamesWhatIsWrongAndDamageIsAnErrorOfTheReadAlone) {
  in_own_namespace([] {
    const TemporaryFolder folder;
    MemoryStore store;
    TreeBuilder tree(store);
    const tree::Entry bad = file(store, "bad", long_text(9000, 'b'), 5);
    const Digest id = tree.finish({bad, file(store, "good", "fine", 6)});
    store.put(tree::body_path(bad.body), long_text(9000, 'c'));
    TestNode node(folder_store(store, folder), folder);
    const auto missing = fs_prepare(node.control(), root_of(tree::sha256("none")));
    ASSERT_FALSE(missing.has_value());
    EXPECT_EQ(missing.error().code, Code::kNotFound);
    const auto layered = fs_prepare(node.control(), root_of(id, {tree::sha256("c")}));
    ASSERT_FALSE(layered.has_value());
    EXPECT_EQ(layered.error().code, Code::kUnsupported);
    const std::string root = node.prepare(id);
    EXPECT_TRUE(read_all(root + "/bad").starts_with("error: ")) << read_all(root + "/bad");
    EXPECT_EQ(read_all(root + "/good"), "fine");
    EXPECT_FALSE(fs_prepare(folder.path("nobody.sock"), root_of(id), {}).has_value());
  });
}

// As jobs that start together on a node that has nothing.
TEST(Mount, SixteenColdReadersFetchEachChunkOnce) {
  in_own_namespace([] {
    const TemporaryFolder folder;
    MemoryStore store;
    TreeBuilder tree(store);
    std::vector<tree::Entry> files;
    std::map<std::string, std::string> texts;
    uint64_t chunks = 0;
    for (unsigned i = 0; i < 120; ++i) {
      const std::string name = fmt::format("f{}", i);
      const size_t size = i % 20 == 0 ? 2'500'000 + i : 1'000 + i * 900;
      texts[name] = long_text(size, static_cast<char>(i));
      files.push_back(file(store, name, texts[name], 10 + i));
      chunks += i % 20 == 0 ? 4 : 1;  // three and the list of their hashes
    }
    const Digest id = tree.finish(files);
    auto cache =
        DiskCache::open(folder.path("cache"), {.bytes_max = 64 << 20, .free_percent_min = 0});
    TestNode node(folder_store(store, folder), folder, std::move(*cache));
    const std::string lower = node.prepare(id);
    std::vector<std::string> roots;
    for (int job = 0; job < 16; ++job) roots.push_back(node.overlay(lower, std::to_string(job)));
    std::atomic<unsigned> wrong{0};
    std::vector<std::jthread> jobs;
    for (const std::string& root : roots) {
      jobs.emplace_back([&] {
        for (const auto& [name, text] : texts) {
          if (read_all(root + "/" + name) != text) wrong += 1;
        }
      });
    }
    jobs.clear();
    EXPECT_EQ(wrong, 0u);
    EXPECT_EQ(node.count()["body.fetches"], chunks);
  });
}

TEST(Mount, ARestartedNodeReadsFromItsDisk) {
  in_own_namespace([] {
    const TemporaryFolder folder;
    MemoryStore store;
    TreeBuilder tree(store);
    const std::string big = long_text(3'300'000, 'b');
    const std::string provisional = long_text(2'200'000, 'p');
    const Digest id =
        tree.finish({file(store, "big", big, 5), file(store, "small", long_text(7'000, 's'), 6),
                     provisional_file(store, "weights", provisional, 7)});
    for (const bool cold : {true, false}) {
      auto cache =
          DiskCache::open(folder.path("cache"), {.bytes_max = 64 << 20, .free_percent_min = 0});
      (*cache)->settle();
      TestNode node(folder_store(store, folder), folder, std::move(*cache));
      const std::string root = node.prepare(id);
      EXPECT_TRUE(read_all(root + "/big") == big);
      EXPECT_TRUE(read_all(root + "/weights") == provisional);
      EXPECT_EQ(read_all(root + "/small"), long_text(7'000, 's'));
      auto counters = node.count();
      EXPECT_EQ(counters["body.fetches"], cold ? 4u + 1u + 1u + 3u : 0u);
      // A reader may hear of the last chunk just before that counts as done.
      while (node.count()["body.under_way"] > 0) std::this_thread::yield();
    }
  });
}

}  // namespace
}  // namespace devrun::volume
