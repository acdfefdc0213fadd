// The file system itself: what is found, what is one node and what never is, and what a damaged
// store leads to.
#include "agent/volume/vfs.h"

#include <gtest/gtest.h>

#include "tests/unit/agent/volume/node_namespace.h"
#include "tests/unit/agent/volume/tree_builder.h"

namespace devrun::volume {
namespace {

class VfsTest : public ::testing::Test {
 protected:
  std::chrono::steady_clock::time_point soon() const {
    return std::chrono::steady_clock::now() + std::chrono::seconds(10);
  }
  NodeId root_of(const Digest& tree) {
    const Result<Vfs::Prepared> prepared = vfs_.prepare(tree, soon());
    EXPECT_TRUE(prepared.has_value()) << prepared.error().message;
    return prepared ? prepared->root : 0;
  }
  NodeId find(NodeId folder, std::string_view path) {
    while (!path.empty()) {
      const size_t end = path.find('/');
      const auto found = vfs_.lookup(folder, path.substr(0, end));
      if (!found || !*found) return 0;
      folder = (*found)->node;
      path.remove_prefix(end == std::string_view::npos ? path.size() : end + 1);
    }
    return folder;
  }
  std::string bytes_of(NodeId node, uint64_t offset = 0, uint64_t size = 1 << 30) {
    const auto slices = vfs_.read(node, offset, size);
    if (!slices) return "error: " + slices.error().message;
    std::string out;
    for (const Slice& slice : *slices) out += slice.bytes;
    return out;
  }
  std::map<std::string, uint64_t> counters() {
    std::map<std::string, uint64_t> out;
    vfs_.count(out);
    return out;
  }

  MemoryStore store_;
  std::unique_ptr<NodeState> state_ = std::move(*NodeState::create(""));
  Vfs vfs_{store_, nullptr, {}, *state_};
};

TEST_F(VfsTest, FindsWhatIsThereAndOnlyThat) {
  TreeBuilder tree(store_);
  const NodeId root =
      root_of(tree.finish({tree.folder("etc", {file(store_, "hosts", "127.0.0.1\n", 11)}, 10),
                           link_to("lib", "usr/lib", 12)}));
  EXPECT_EQ(bytes_of(find(root, "etc/hosts")), "127.0.0.1\n");
  EXPECT_EQ(*vfs_.link_target(find(root, "lib")), "usr/lib");
  EXPECT_EQ(find(root, "etc/host"), 0u);
  EXPECT_EQ(find(root, "etc/hosts2"), 0u);
  EXPECT_FALSE(vfs_.lookup(find(root, "lib"), "x").has_value());
  EXPECT_FALSE(vfs_.attributes(4711).has_value());
  const Attributes hosts = *vfs_.attributes(find(root, "etc/hosts"));
  EXPECT_EQ(hosts.size, 10u);
  EXPECT_EQ(hosts.inode, 11u);
  EXPECT_EQ(hosts.mode, 0644u);
}

TEST_F(VfsTest, ListsInPartsWithoutLosingAny) {
  TreeBuilder tree(store_);
  std::vector<tree::Entry> entries;
  for (int i = 0; i < 100; ++i)
    entries.push_back(file(store_, "f" + std::to_string(i), "x", 20u + static_cast<unsigned>(i)));
  const NodeId root = root_of(tree.finish(entries));
  std::set<std::string> seen;
  uint64_t from = 0;
  for (bool more = true; more;) {
    more = false;
    int room = 7;
    ASSERT_TRUE(vfs_.list(root, from, true, [&](const Listed& entry) {
      if (room-- == 0) return false;
      EXPECT_TRUE(seen.insert(std::string(entry.name)).second);
      from = entry.next;
      more = true;
      return true;
    }));
  }
  EXPECT_EQ(seen.size(), 102u);  // with . and ..
}

TEST_F(VfsTest, EqualFilesThatAreNotLinksStayTwo) {
  TreeBuilder tree(store_);
  tree::Entry a = file(store_, "a", "same", 30);
  tree::Entry b = a;  // as in a nested subvolume: even the inode number is the same
  b.name = "b";
  const NodeId root = root_of(tree.finish({a, b, file(store_, "c", "same", 31)}));
  EXPECT_NE(find(root, "a"), find(root, "b"));
  EXPECT_NE(find(root, "a"), find(root, "c"));
}

TEST_F(VfsTest, HardLinksAreOneNodeAndSaySo) {
  TreeBuilder tree(store_);
  tree::Entry a = file(store_, "a", "linked", 40);
  a.links = 2;
  tree::Entry b = a;
  b.name = "b";
  const NodeId root = root_of(tree.finish({a, tree.folder("d", {b}, 41)}));
  EXPECT_EQ(find(root, "a"), find(root, "d/b"));
  EXPECT_EQ(vfs_.attributes(find(root, "a"))->links, 2u);
}

TEST_F(VfsTest, TheNextSnapshotSharesWhatDidNotChange) {
  TreeBuilder first(store_);
  const auto same = file(store_, "same", long_text(3000, 'a'), 50);
  const NodeId one =
      root_of(first.finish({first.folder("d", {same, file(store_, "edited", "before", 51)}, 52)}));
  const NodeId before = find(one, "d/same");
  EXPECT_EQ(bytes_of(before), long_text(3000, 'a'));
  const uint64_t fetched = counters()["body.fetches"];

  TreeBuilder second(store_);
  tree::Entry edited = file(store_, "edited", "after!", 51);
  edited.ctime_ns += 1;
  const NodeId two = root_of(second.finish({second.folder("d", {same, edited}, 52)}));
  EXPECT_NE(one, two);
  EXPECT_EQ(find(two, "d/same"), before);
  EXPECT_NE(find(two, "d/edited"), find(one, "d/edited"));
  EXPECT_EQ(bytes_of(find(one, "d/edited")), "before");
  EXPECT_EQ(bytes_of(find(two, "d/edited")), "after!");
  EXPECT_NE(find(two, "d"), find(one, "d"));  // folders are per snapshot
  EXPECT_EQ(counters()["body.fetches"], fetched);
}

TEST_F(VfsTest, AttributesOfANodeNeverChange) {
  TreeBuilder first(store_);
  const auto original = file(store_, "f", "x", 60);
  const NodeId one = root_of(first.finish({original}));
  const NodeId node = find(one, "f");
  TreeBuilder second(store_);
  tree::Entry changed = original;  // a clock set back: the same ctime, another mode
  changed.mode = 0600;
  const NodeId two = root_of(second.finish({changed}));
  EXPECT_NE(find(two, "f"), node);
  EXPECT_EQ(vfs_.attributes(node)->mode, 0644u);
  // Other lineages, other files.
  TreeBuilder third(store_);
  third.lineage = tree::Lineage{9};
  EXPECT_NE(find(root_of(third.finish({original})), "f"), node);
}

TEST_F(VfsTest, AskingAgainGivesTheSameNodes) {
  TreeBuilder tree(store_);
  const Digest id = tree.finish({tree.folder("d", {file(store_, "f", "x", 70)}, 71)});
  const NodeId root = root_of(id);
  EXPECT_EQ(root_of(id), root);
  EXPECT_EQ(find(root, "d"), find(root, "d"));
  EXPECT_EQ(find(root, "d/f"), find(root, "d/f"));
  const NodeId folder = find(root, "d");
  EXPECT_TRUE(vfs_.list(root, 2, true, [&](const Listed& entry) {
    EXPECT_EQ(entry.node, folder);
    return true;
  }));
}

TEST_F(VfsTest, ReadsLargeFilesInAnyPieces) {
  const std::string text = long_text(3 * tree::kChunkBytes + 12345, 'q');
  TreeBuilder tree(store_);
  const NodeId root = root_of(
      tree.finish({file(store_, "big", text, 80), provisional_file(store_, "new", text, 81)}));
  for (const char* name : {"big", "new"}) {
    const NodeId node = find(root, name);
    EXPECT_TRUE(bytes_of(node) == text);
    EXPECT_TRUE(bytes_of(node, tree::kChunkBytes - 5, 10) ==
                text.substr(tree::kChunkBytes - 5, 10));
    EXPECT_TRUE(bytes_of(node, text.size() - 7, 100) == text.substr(text.size() - 7));
    EXPECT_EQ(bytes_of(node, text.size(), 1), "");
  }
}

TEST_F(VfsTest, WrongBytesAreAnErrorNeverData) {
  const std::string small = long_text(5000, 'a');
  const std::string big = long_text(2 * tree::kChunkBytes, 'a');
  TreeBuilder tree(store_);
  const auto small_entry = file(store_, "small", small, 90);
  const auto big_entry = file(store_, "big", big, 91);
  const auto short_entry = file(store_, "short", long_text(6000, 'b'), 92);
  const NodeId root = root_of(tree.finish({small_entry, big_entry, short_entry}));
  std::string wrong = small;
  wrong[77] ^= 1;
  store_.put(tree::body_path(small_entry.body), wrong);
  wrong = big;
  wrong[tree::kChunkBytes + 3] ^= 1;
  store_.put(tree::body_path(big_entry.body), wrong);
  store_.put(tree::body_path(short_entry.body), "short");
  EXPECT_EQ(vfs_.read(find(root, "small"), 0, 10).error().code, Code::kCorrupt);
  EXPECT_TRUE(bytes_of(find(root, "big"), 0, 100) == big.substr(0, 100));
  EXPECT_EQ(vfs_.read(find(root, "big"), tree::kChunkBytes, 1).error().code, Code::kCorrupt);
  EXPECT_EQ(vfs_.read(find(root, "short"), 0, 10).error().code, Code::kCorrupt);
  EXPECT_EQ(counters()["body.mismatches"], 4u);  // each is asked for twice
  store_.put(tree::body_path(small_entry.body), small);
  EXPECT_TRUE(bytes_of(find(root, "small")) == small);  // the error was not kept
}

TEST_F(VfsTest, PrepareSaysWhatIsWrong) {
  EXPECT_EQ(vfs_.prepare(tree::sha256("none"), soon()).error().code, Code::kNotFound);
  TreeBuilder tree(store_);
  const Digest id = tree.finish({file(store_, "f", "x", 100)});
  const std::string manifest =
      *store_.read_whole(tree::manifest_path(id), 1 << 20, {}, Priority::kDemand);
  store_.set_away(true);
  EXPECT_EQ(vfs_.prepare(id, soon()).error().code, Code::kUnavailable);
  store_.set_away(false);
  store_.put(tree::manifest_path(id), manifest.substr(0, manifest.size() - 3));
  EXPECT_EQ(vfs_.prepare(id, soon()).error().code, Code::kCorrupt);
  store_.put(tree::manifest_path(id), "");
  EXPECT_EQ(vfs_.prepare(id, soon()).error().code, Code::kCorrupt);
  TreeBuilder other(store_);
  const Digest other_id = other.finish({file(store_, "g", "x", 101)});
  store_.put(tree::manifest_path(id),
             *store_.read_whole(tree::manifest_path(other_id), 1 << 20, {}, Priority::kDemand));
  EXPECT_EQ(vfs_.prepare(id, soon()).error().code, Code::kCorrupt);
  store_.put(tree::manifest_path(id), manifest);
  const tree::Manifest decoded = *tree::decode_manifest(manifest);
  const std::string pack_path = tree::pack_path(decoded.packs.front());
  const std::string pack = *store_.read_whole(pack_path, 1 << 20, {}, Priority::kDemand);
  store_.put(pack_path, pack + "x");
  EXPECT_EQ(vfs_.prepare(id, soon()).error().code, Code::kCorrupt);
  store_.remove(pack_path);
  EXPECT_FALSE(vfs_.prepare(id, soon()).has_value());
  store_.put(pack_path, pack);
  EXPECT_TRUE(vfs_.prepare(id, soon()).has_value());
}

TEST_F(VfsTest, AMissingDirectoryObjectHurtsOnlyWhoLooksThere) {
  TreeBuilder tree(store_);
  tree::Entry hollow = tree.folder("hollow", {}, 110);
  hollow.directory = tree::sha256("nowhere");
  tree::Entry mount = tree.folder("mnt", {}, 111);
  mount.type = tree::EntryType::kMountPoint;
  mount.directory = {};
  const NodeId root = root_of(tree.finish({hollow, mount, file(store_, "f", "x", 112)}));
  EXPECT_EQ(vfs_.lookup(find(root, "hollow"), "x").error().code, Code::kCorrupt);
  EXPECT_EQ(bytes_of(find(root, "f")), "x");
  EXPECT_EQ(vfs_.attributes(find(root, "mnt"))->type, tree::EntryType::kDirectory);
  EXPECT_EQ(find(root, "mnt/x"), 0u);
  size_t listed = 0;
  EXPECT_TRUE(vfs_.list(find(root, "mnt"), 0, true, [&](const Listed&) { return ++listed > 0; }));
  EXPECT_EQ(listed, 2u);
}

TEST_F(VfsTest, AHundredThousandFilesFitInTwentyFiveMegabytes) {
  TreeBuilder tree(store_);
  std::vector<tree::Entry> folders;
  uint64_t inode = 1000;
  for (int d = 0; d < 1000; ++d) {
    std::vector<tree::Entry> entries;
    for (int f = 0; f < 100; ++f) {
      tree::Entry entry = file(store_, fmt::format("module_{:04}_part.py", f), "", ++inode);
      entry.size = 4000;
      entry.body = {tree::BodyKind::kChunked,
                    std::string(tree::sha256(std::to_string(inode)).view())};
      entries.push_back(std::move(entry));
    }
    folders.push_back(tree.folder(fmt::format("package{:04}", d), std::move(entries), ++inode));
  }
  const NodeId root = root_of(tree.finish(std::move(folders)));
  for (int d = 0; d < 1000; ++d) {
    const NodeId folder = find(root, fmt::format("package{:04}", d));
    ASSERT_TRUE(vfs_.list(folder, 0, true, [](const Listed&) { return true; }));
  }
  EXPECT_GT(counters()["memory.nodes"], 100'000u);
  EXPECT_LT(counters()["memory.bytes"], 25u << 20);
}

}  // namespace
}  // namespace devrun::volume
