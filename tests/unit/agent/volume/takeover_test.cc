// What a devrun-fs leaves to the next: node ids, packs and trees, and requests that nobody has
// answered. The next one is another Vfs or FuseFront over the same NodeState's descriptors.
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include "agent/volume/vfs.h"
#include "tests/unit/agent/volume/node_namespace.h"
#include "tests/unit/agent/volume/tree_builder.h"

namespace devrun::volume {
namespace {

// The descriptors as the keeper would give them to the next process.
Result<std::unique_ptr<NodeState>> adopted(const NodeState& state) {
  return NodeState::adopt(UniqueFd(::dup(state.memory_fd())), UniqueFd(::dup(state.disk_fd())));
}

NodeId prepared(Vfs& vfs, const Digest& tree) {
  const auto out = vfs.prepare(tree, std::chrono::steady_clock::now() + std::chrono::seconds(5));
  EXPECT_TRUE(out.has_value()) << out.error().message;
  return out ? out->root : 0;
}

NodeId find(Vfs& vfs, NodeId root, std::string_view path) {
  NodeId node = root;
  while (!path.empty()) {
    const size_t slash = std::min(path.find('/'), path.size());
    const auto found = vfs.lookup(node, path.substr(0, slash));
    if (!found || !*found) return 0;
    node = (*found)->node;
    path.remove_prefix(std::min(slash + 1, path.size()));
  }
  return node;
}

std::string bytes_of(Vfs& vfs, NodeId node) {
  const auto slices = vfs.read(node, 0, 1 << 20);
  if (!slices) return "error: " + slices.error().message;
  std::string out;
  for (const Slice& slice : *slices) out += slice.bytes;
  return out;
}

struct Trees {
  Digest one, two;
};

// Two snapshots; `kept` is the same file in both, by a folder that changed.
Trees two_snapshots(MemoryStore& store) {
  const auto kept = file(store, "kept", long_text(9000, 'k'), 5);
  tree::Entry a = file(store, "name", "linked", 7);
  a.links = 2;
  tree::Entry b = a;
  b.name = "other-name";
  TreeBuilder first(store);
  TreeBuilder second(store);
  return {first.finish({first.folder("lib", {kept, file(store, "old", "1", 6)}, 4), a, b}),
          second.finish({second.folder("lib", {kept, file(store, "new", "2", 8)}, 4), a, b})};
}

const char* const kPaths[] = {"lib", "lib/kept", "name", "other-name"};

TEST(Takeover, EveryNodeIsTheEntryThatItWas) {
  const TemporaryFolder folder;
  MemoryStore store;
  const Trees trees = two_snapshots(store);
  auto state = std::move(*NodeState::create(folder.path()));
  std::map<std::string, NodeId> before;
  Vfs first(store, nullptr, {}, *state);
  const NodeId root_one = prepared(first, trees.one);
  const NodeId root_two = prepared(first, trees.two);
  for (const char* path : kPaths) {
    before[std::string("one/") + path] = find(first, root_one, path);
    before[std::string("two/") + path] = find(first, root_two, path);
  }
  EXPECT_EQ(before["one/lib/kept"], before["two/lib/kept"]);
  EXPECT_EQ(before["one/name"], before["one/other-name"]);
  store.set_away(true);  // nothing of it is asked

  auto next = adopted(*state);
  ASSERT_TRUE(next.has_value()) << next.error().message;
  Vfs second(store, nullptr, {}, **next);
  const Status recovered = second.recover();
  ASSERT_TRUE(recovered.has_value()) << recovered.error().message;
  EXPECT_EQ(second.prepared(trees.one)->root, root_one);
  EXPECT_EQ(second.prepared(trees.two)->root, root_two);
  EXPECT_EQ(second.attributes(before["one/lib/kept"])->size, 9000u);
  for (const char* path : kPaths) {
    EXPECT_EQ(find(second, root_one, path), before[std::string("one/") + path]) << path;
    EXPECT_EQ(find(second, root_two, path), before[std::string("two/") + path]) << path;
  }
  store.set_away(false);
  EXPECT_EQ(bytes_of(second, before["one/lib/kept"]), long_text(9000, 'k'));
  // What is new gets ids that nobody has had.
  const NodeId fresh = find(second, root_two, "lib/new");
  EXPECT_EQ(NodeTable::index_of(fresh) + 1, (*next)->node_count());
  TreeBuilder third(store);
  const Digest later = third.finish({file(store, "later", "3", 9)});
  EXPECT_NE(find(second, prepared(second, later), "later"), 0u);

  auto last = adopted(**next);
  Vfs once_more(store, nullptr, {}, **last);
  ASSERT_TRUE(once_more.recover().has_value());
  EXPECT_EQ(find(once_more, root_two, "lib/new"), fresh);
  EXPECT_EQ(once_more.trees().size(), 3u);
}

TEST(Takeover, AHundredThousandNodesAreKnownAgain) {
  const TemporaryFolder folder;
  MemoryStore store;
  TreeBuilder tree(store);
  std::vector<tree::Entry> folders;
  uint64_t inode = 1000;
  for (int d = 0; d < 1000; ++d) {
    std::vector<tree::Entry> entries;
    for (int f = 0; f < 100; ++f) {
      entries.push_back(file(store, fmt::format("module_{:04}.py", f), "", ++inode));
    }
    folders.push_back(tree.folder(fmt::format("package{:04}", d), std::move(entries), ++inode));
  }
  const Digest id = tree.finish(std::move(folders));
  auto state = std::move(*NodeState::create(folder.path()));
  Vfs first(store, nullptr, {}, *state);
  const NodeId root = prepared(first, id);
  std::vector<NodeId> before;
  const auto remember = [](Vfs& vfs, NodeId at, std::vector<NodeId>& nodes) {
    for (int d = 0; d < 1000; ++d) {
      const NodeId package = find(vfs, at, fmt::format("package{:04}", d));
      ASSERT_TRUE(vfs.list(package, 0, true, [&](const Listed& listed) {
        nodes.push_back(listed.node);
        return true;
      }));
    }
  };
  remember(first, root, before);
  auto next = adopted(*state);
  Vfs second(store, nullptr, {}, **next);
  const auto began = std::chrono::steady_clock::now();
  ASSERT_TRUE(second.recover().has_value());
  const auto took = std::chrono::steady_clock::now() - began;
  RecordProperty("recover_ms", static_cast<int>(took / std::chrono::milliseconds(1)));
  std::printf("100,000 nodes are known again after %d ms\n",
              static_cast<int>(took / std::chrono::milliseconds(1)));
  std::vector<NodeId> after;
  remember(second, root, after);
  EXPECT_EQ(after, before);
}

TEST(Takeover, APackThatFoundNoRoomOnDiskComesFromTheStore) {
  MemoryStore store;
  const Trees trees = two_snapshots(store);
  auto state = std::move(*NodeState::create(""));
  Vfs first(store, nullptr, {}, *state);
  const NodeId kept = find(first, prepared(first, trees.one), "lib/kept");
  auto next = NodeState::adopt(UniqueFd(::dup(state->memory_fd())), {});
  ASSERT_TRUE(next.has_value());
  Vfs second(store, nullptr, {}, **next);
  ASSERT_TRUE(second.recover().has_value());
  EXPECT_EQ(find(second, second.prepared(trees.one)->root, "lib/kept"), kept);

  store.remove(tree::manifest_path(trees.one));
  auto late = NodeState::adopt(UniqueFd(::dup(state->memory_fd())), {});
  Vfs third(store, nullptr, {}, **late);
  EXPECT_EQ(third.recover().error().code, Code::kNotFound);
}

TEST(Takeover, WhatWasWrittenAndNotCountedIsNobodys) {
  const TemporaryFolder folder;
  MemoryStore store;
  const Trees trees = two_snapshots(store);
  auto state = std::move(*NodeState::create(folder.path()));
  Vfs first(store, nullptr, {}, *state);
  const NodeId root = prepared(first, trees.one);
  const NodeId kept = find(first, root, "lib/kept");
  // As if killed between the root's node and the event of its tree.
  ASSERT_TRUE(state->add_node({static_cast<uint32_t>(1000), 0, kNoDirectory,
                               static_cast<uint32_t>(state->node_count()), 0}));
  auto next = adopted(*state);
  Vfs second(store, nullptr, {}, **next);
  ASSERT_TRUE(second.recover().has_value());
  EXPECT_EQ(find(second, root, "lib/kept"), kept);
  EXPECT_FALSE(second.attributes(NodeTable::id_of(static_cast<uint32_t>((*next)->node_count()) - 1))
                   .has_value());
  EXPECT_NE(prepared(second, trees.two), 0u);
}

TEST(Takeover, AnotherFormatIsRefused) {
  auto state = std::move(*NodeState::create(""));
  uint32_t other = NodeState::kFormat + 1;
  ASSERT_EQ(::pwrite(state->memory_fd(), &other, sizeof other, 8), 4);
  const auto next = NodeState::adopt(UniqueFd(::dup(state->memory_fd())), {});
  ASSERT_FALSE(next.has_value());
  EXPECT_EQ(next.error().code, Code::kUnsupported);
  const UniqueFd garbage(::memfd_create("garbage", MFD_CLOEXEC));
  EXPECT_FALSE(NodeState::adopt(UniqueFd(::dup(garbage.get())), {}).has_value());
}

}  // namespace
}  // namespace devrun::volume
