// A watched tree looks like the tree, has folders that nobody has asked about, and tells what is asked.
#include "agent/volume/watches.h"

#include <gtest/gtest.h>

#include "tests/unit/agent/volume/node_namespace.h"
#include "tests/unit/agent/volume/tree_builder.h"

namespace devrun::volume {
namespace {

class WatchesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    TreeBuilder tree(store_);
    tree_ = tree.finish({tree.folder("etc", {file(store_, "hosts", "127.0.0.1\n", 11)}, 10),
                         tree.folder("work", {file(store_, "x", "bytes", 13)}, 12)});
    plain_ = root_of(tree_);
  }
  NodeId root_of(const Digest& tree) {
    const auto soon = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    const Result<Vfs::Prepared> prepared = vfs_.prepare(tree, soon);
    EXPECT_TRUE(prepared.has_value()) << prepared.error().message;
    return prepared ? prepared->root : 0;
  }
  // As the front does for the kernel; 0: no such name.
  NodeId look_up(NodeId folder, std::string_view name) {
    watches_.looked_up(folder, name);
    const auto found = vfs_.lookup(folder, name);
    return found && *found ? (*found)->node : 0;
  }
  NodeId watch(const std::string& id) {
    const Result<Vfs::Watched> watched = vfs_.watched_tree(tree_, id);
    EXPECT_TRUE(watched.has_value()) << watched.error().message;
    EXPECT_TRUE(watched->fresh);
    const NodeId root = vfs_.prepared(watched->tree)->root;
    watches_.begin(id, root);
    return root;
  }
  tree::Reads told(const std::string& id) {
    const auto bytes = watches_.take(id);
    EXPECT_TRUE(bytes);
    return bytes ? *tree::decode_reads(*bytes) : tree::Reads{};
  }

  MemoryStore store_;
  const TemporaryFolder folder_;  // for what outlives a devrun-fs
  std::unique_ptr<NodeState> state_ = std::move(*NodeState::create(folder_.path()));
  Vfs vfs_{store_, nullptr, {}, *state_};
  Watches watches_{vfs_};
  Digest tree_;
  NodeId plain_ = 0;
};

TEST_F(WatchesTest, ItsFoldersAreItsOwnAndItsFilesAreNot) {
  const NodeId one = watch("one");
  const NodeId other = watch("other");
  std::set<NodeId> roots{plain_, one, other};
  EXPECT_EQ(roots.size(), 3u);
  std::set<NodeId> folders;
  std::set<NodeId> files;
  for (const NodeId root : roots) {
    const NodeId etc = look_up(root, "etc");
    folders.insert(etc);
    files.insert(look_up(etc, "hosts"));
  }
  EXPECT_EQ(folders.size(), 3u);
  EXPECT_EQ(files.size(), 1u) << "so that their pages are shared";
}

TEST_F(WatchesTest, WhatIsLookedForFoundOrNotAndListedIsTold) {
  const NodeId root = watch("one");
  const NodeId other = watch("other");
  const NodeId etc = look_up(root, "etc");
  EXPECT_NE(look_up(etc, "hosts"), 0u);
  EXPECT_EQ(look_up(etc, "pip.conf"), 0u);
  EXPECT_TRUE(watches_.listed(etc));
  look_up(look_up(plain_, "work"), "x");
  EXPECT_FALSE(watches_.listed(look_up(plain_, "work"))) << "nobody watches that one";
  look_up(other, "nothing");
  const tree::Reads reads = told("one");
  EXPECT_EQ(reads.folders.at("").names, (std::set<std::string>{"etc"}));
  EXPECT_EQ(reads.folders.at("etc").names, (std::set<std::string>{"hosts", "pip.conf"}));
  EXPECT_TRUE(reads.folders.at("etc").listed);
  EXPECT_EQ(reads.folders.size(), 2u);
  EXPECT_EQ(told("other").folders.at("").names, (std::set<std::string>{"nothing"}));
  EXPECT_FALSE(watches_.take("one")) << "it was told, and is over";
  EXPECT_FALSE(watches_.listed(etc));
}

TEST_F(WatchesTest, ARestartedOneShowsItStillAndKnowsNothingOfIt) {
  const NodeId root = watch("one");
  const NodeId etc = look_up(root, "etc");
  Vfs second(store_, nullptr, {}, *state_);
  ASSERT_TRUE(second.recover());
  const Result<Vfs::Watched> again = second.watched_tree(tree_, "one");
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_FALSE(again->fresh) << "the kernel knows parts of it, so nobody may conclude anything";
  EXPECT_EQ(second.prepared(again->tree)->root, root);
  EXPECT_EQ((*second.lookup(root, "etc"))->node, etc);
  EXPECT_EQ(second.trees().size(), 1u) << "it is in no listing";
}

}  // namespace
}  // namespace devrun::volume
