// A snapshot as a delta over the one before: through the kernel's overlay it is that snapshot in
// every detail, it costs few upcalls, it is not tried where it could not be right, and the next
// devrun-fs goes on with it.
#include <dirent.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <random>

#include "agent/volume/delta.h"
#include "agent/volume/host_store.h"
#include "tests/unit/agent/volume/node_namespace.h"
#include "tests/unit/agent/volume/tree_builder.h"

namespace devrun::volume {
namespace {

namespace fs = std::filesystem;

std::unique_ptr<ObjectStore> folder_store(const MemoryStore& store, const TemporaryFolder& folder) {
  store.write_to(folder.path("export"));
  fs::create_directories(folder.path("export"));
  return std::move(*HostStore::open(folder.path("export")));
}

// A tree as a value that can be changed at random.
struct Thing {
  tree::EntryType type = tree::EntryType::kRegular;
  uint64_t inode = 0;
  uint32_t mode = 0644;
  int64_t ctime_ns = 0;
  std::string text;
  std::map<std::string, Thing> inside;
};

class RandomTrees {
 public:
  explicit RandomTrees(unsigned seed) : random_(seed) {}

  Thing folder(unsigned depth) {
    Thing out = thing(tree::EntryType::kDirectory);
    out.mode = below(2) == 0 ? 0755 : 0700;
    for (unsigned i = below(7); i > 0; --i) out.inside[name()] = any(depth);
    return out;
  }

  // An edit, a new or removed name, another type or mode, a rename: somewhere.
  void change(Thing& at, unsigned depth) {
    ++clock_;
    if (depth > 0 && !at.inside.empty() && below(3) != 0) {
      Thing& inner = some(at)->second;
      if (inner.type == tree::EntryType::kDirectory) return change(inner, depth - 1);
    }
    const auto found = at.inside.empty() ? at.inside.end() : some(at);
    switch (found == at.inside.end() ? 0 : below(6)) {
      case 0:
      case 1:
        at.inside[name()] = any(depth);
        break;
      case 2:
        at.inside.erase(found);
        break;
      case 3:
        found->second.mode ^= 0011;
        found->second.ctime_ns = clock_;
        break;
      case 4:
        found->second.ctime_ns = clock_;
        if (found->second.type == tree::EntryType::kRegular) found->second.text += "+";
        break;
      default:
        Thing moved = std::move(found->second);
        at.inside.erase(found);
        at.inside[name()] = std::move(moved);
    }
    at.ctime_ns = clock_;
  }

  unsigned below(unsigned limit) {
    return std::uniform_int_distribution<unsigned>(0, limit - 1)(random_);
  }

 private:
  std::map<std::string, Thing>::iterator some(Thing& at) {
    return std::next(at.inside.begin(), below(static_cast<unsigned>(at.inside.size())));
  }
  std::string name() { return std::string(1, static_cast<char>('a' + below(9))); }
  Thing thing(tree::EntryType type) {
    Thing out;
    out.type = type;
    out.inode = ++inode_;
    out.ctime_ns = clock_;
    return out;
  }
  Thing any(unsigned depth) {
    if (depth > 0 && below(2) == 0) return folder(depth - 1);
    constexpr tree::EntryType kTypes[] = {tree::EntryType::kRegular, tree::EntryType::kRegular,
                                          tree::EntryType::kSymlink, tree::EntryType::kFifo};
    Thing out = thing(kTypes[below(4)]);
    out.text = fmt::format("text {}", inode_);
    return out;
  }

  std::mt19937 random_;
  uint64_t inode_ = 1000;
  int64_t clock_ = 1'600'000'000'000'000'000;
};

tree::Entry entry_of(MemoryStore& store, TreeBuilder& builder, const std::string& name,
                     const Thing& thing) {
  tree::Entry out;
  if (thing.type == tree::EntryType::kDirectory) {
    std::vector<tree::Entry> entries;
    for (const auto& [below, inner] : thing.inside) {
      entries.push_back(entry_of(store, builder, below, inner));
    }
    out = builder.folder(name, std::move(entries), thing.inode);
  } else if (thing.type == tree::EntryType::kSymlink) {
    out = link_to(name, thing.text, thing.inode);
  } else {
    out = file(store, name, thing.type == tree::EntryType::kRegular ? thing.text : "", thing.inode);
    out.type = thing.type;
  }
  out.mode = thing.mode;
  out.ctime_ns = out.mtime_ns = thing.ctime_ns;
  return out;
}

Digest published(MemoryStore& store, const Thing& root, const tree::Lineage& lineage) {
  TreeBuilder builder(store);
  builder.lineage = lineage;
  std::vector<tree::Entry> entries;
  for (const auto& [name, inner] : root.inside) {
    entries.push_back(entry_of(store, builder, name, inner));
  }
  return builder.finish(std::move(entries));
}

// All that a job sees, by path.
void look(const std::string& root, const std::string& path,
          std::map<std::string, std::string>& out) {
  struct stat st {};
  ASSERT_EQ(::lstat((root + path).c_str(), &st), 0) << path << ": " << std::strerror(errno);
  const bool is_folder = S_ISDIR(st.st_mode);
  std::string& line = out[path];
  line = fmt::format("{:o} {}:{} {} {}.{} {}.{}", st.st_mode, st.st_uid, st.st_gid, st.st_size,
                     st.st_mtim.tv_sec, st.st_mtim.tv_nsec, st.st_ctim.tv_sec, st.st_ctim.tv_nsec);
  line += fmt::format(" {} {}", st.st_nlink, st.st_ino);
  if (S_ISREG(st.st_mode)) line += " " + read_all(root + path);
  if (S_ISLNK(st.st_mode)) line += " " + fs::read_symlink(root + path).string();
  if (!is_folder) return;
  struct stat top {};
  ASSERT_EQ(::lstat(root.c_str(), &top), 0);
  EXPECT_EQ(st.st_dev, top.st_dev) << path;  // find -xdev
  for (const auto& entry : fs::directory_iterator(root + path)) {
    look(root, path + "/" + entry.path().filename().string(), out);
  }
}

std::map<std::string, std::string> seen(const std::string& root) {
  std::map<std::string, std::string> out;
  look(root, "", out);
  out.erase("");  // the upper's own
  return out;
}

TEST(Layers, ShowARandomTreeOverAnotherInEveryDetail) {
  in_own_namespace([] {
    const TemporaryFolder folder;
    MemoryStore store;
    struct Pair {
      Digest base, next;
    };
    std::vector<Pair> pairs;
    for (unsigned seed = 0; seed < 40; ++seed) {
      RandomTrees random(seed);
      const tree::Lineage lineage{2, static_cast<uint8_t>(seed)};
      Thing root = random.folder(3);
      for (char name = 'p'; name < 'w'; ++name)
        root.inside[std::string(1, name)] = random.folder(2);
      Pair& pair = pairs.emplace_back();
      pair.base = published(store, root, lineage);
      for (unsigned i = random.below(12) + 1; i > 0; --i) random.change(root, 3);
      pair.next = published(store, root, lineage);
    }
    TestNode node(folder_store(store, folder), folder);
    unsigned layered = 0;
    for (size_t i = 0; i < pairs.size(); ++i) {
      const std::string base = node.overlay(node.prepare(pairs[i].base), fmt::format("base{}", i));
      const auto before = seen(base);
      const std::string layers = node.prepare_layers(pairs[i].next);
      layered += layers.find(':') != std::string::npos ? 1 : 0;
      const std::string over = node.overlay(layers, fmt::format("over{}", i));
      const std::string whole = node.overlay(node.prepare(pairs[i].next), fmt::format("next{}", i));
      ASSERT_EQ(seen(over), seen(whole)) << "pair " << i;
      struct stat top {};
      struct stat root {};
      ASSERT_EQ(::stat(layers.substr(0, layers.find(':')).c_str(), &top), 0);
      ASSERT_EQ(::stat(node.prepare(pairs[i].next).c_str(), &root), 0);
      EXPECT_EQ(top.st_ino, root.st_ino);
      EXPECT_EQ(top.st_mtim.tv_nsec, root.st_mtim.tv_nsec);
      ASSERT_EQ(seen(base), before) << "pair " << i;
    }
    EXPECT_GE(layered, 30u);
  });
}

// Folders of files; the same inodes for the same numbers.
std::vector<tree::Entry> packages(MemoryStore& store, TreeBuilder& tree, unsigned folders,
                                  unsigned files) {
  std::vector<tree::Entry> out;
  for (unsigned d = 0; d < folders; ++d) {
    std::vector<tree::Entry> modules;
    for (unsigned f = 0; f < files; ++f) {
      modules.push_back(file(store, fmt::format("module{}", f), "text", 1000 + d * 1000 + f));
    }
    out.push_back(tree.folder(fmt::format("package{}", d), std::move(modules), 500 + d));
  }
  return out;
}

tree::Entry edited(MemoryStore& store, const std::string& name, int turn) {
  tree::Entry out = file(store, name, fmt::format("v{}", turn), 77);
  out.ctime_ns += turn;
  return out;
}

TEST(Layers, ANewSnapshotAfterAnEditAsksForLittle) {
  in_own_namespace([] {
    const TemporaryFolder folder;
    MemoryStore store;
    std::vector<Digest> trees;
    for (int turn = 0; turn < 3; ++turn) {
      TreeBuilder tree(store);
      tree::Entry lib = tree.folder("lib", packages(store, tree, 20, 20), 5);
      tree::Entry work = tree.folder("work", {edited(store, "train.py", turn)}, 6);
      trees.push_back(tree.finish({lib, work}));
    }
    TestNode node(folder_store(store, folder), folder);
    const auto upcalls = [&] {
      auto counters = node.count();
      return counters["upcall.lookup"] + counters["upcall.readdir"] +
             counters["upcall.readdirplus"];
    };
    const auto cost = [&](int turn) {
      const std::string lower = node.prepare_layers(trees[static_cast<size_t>(turn)]);
      const std::string root = node.overlay(lower, std::to_string(turn));
      const uint64_t before = upcalls();
      for (int d = 0; d < 20; ++d) {
        for (int f = 0; f < 20; ++f) {
          EXPECT_EQ(read_all(fmt::format("{}/lib/package{}/module{}", root, d, f)), "text");
        }
      }
      EXPECT_EQ(read_all(root + "/work/train.py"), fmt::format("v{}", turn));
      return upcalls() - before;
    };
    EXPECT_GE(cost(0), 400u);
    EXPECT_LE(cost(1), 8u);
    EXPECT_LE(cost(2), 8u);
    EXPECT_EQ(node.count()["memory.deltas"], 2u);
  });
}

TEST(Layers, HardLinksBelowADeltaStayOneFile) {
  in_own_namespace([] {
    const TemporaryFolder folder;
    MemoryStore store;
    std::vector<Digest> trees;
    for (int turn = 0; turn < 2; ++turn) {
      TreeBuilder tree(store);
      tree::Entry a = file(store, "a", "linked", 40);
      a.links = 2;
      tree::Entry b = a;
      b.name = "b";
      trees.push_back(tree.finish(
          {tree.folder("d", {a, edited(store, "f", turn)}, 41), tree.folder("e", {b}, 42)}));
    }
    TestNode node(folder_store(store, folder), folder);
    node.prepare(trees[0]);
    const std::string layers = node.prepare_layers(trees[1]);
    ASSERT_NE(layers.find(':'), std::string::npos);
    const std::string root = node.overlay(layers, "o");
    std::ofstream(root + "/d/a", std::ios::app) << " and written";
    EXPECT_EQ(read_all(root + "/e/b"), "linked and written");
    fs::rename(root + "/d", root + "/moved");
    EXPECT_EQ(read_all(root + "/moved/f"), "v1");
    EXPECT_EQ(read_all(root + "/moved/a"), "linked and written");
  });
}

class LayersTest : public ::testing::Test {
 protected:
  std::vector<Digest> layers(const Digest& tree) { return layers_in(vfs_, tree); }
  static std::vector<Digest> layers_in(Vfs& vfs, const Digest& tree) {
    const auto found =
        vfs.prepare(tree, std::chrono::steady_clock::now() + std::chrono::seconds(9));
    EXPECT_TRUE(found.has_value()) << found.error().message;
    return found ? vfs.layers(tree) : std::vector<Digest>();
  }
  // A tree with something that stays, and these.
  Digest tree_of(std::vector<tree::Entry> entries, uint8_t lineage = 1, bool has_xattrs = false) {
    return tree_of(TreeBuilder(store_), std::move(entries), lineage, has_xattrs);
  }
  // The same as a merge leaves it, whose root is nobody's but its own.
  Digest merged(std::vector<tree::Entry> entries, uint8_t merge) {
    TreeBuilder tree(store_);
    tree.root_lineage = tree::Lineage{merge};
    return tree_of(std::move(tree), std::move(entries), 1, false);
  }
  Digest tree_of(TreeBuilder tree, std::vector<tree::Entry> entries, uint8_t lineage,
                 bool has_xattrs) {
    tree.lineage = tree::Lineage{lineage};
    tree.has_xattrs = has_xattrs;
    entries.push_back(file(store_, "stays", "x", 4));
    return tree.finish(std::move(entries));
  }

  const TemporaryFolder folder_;
  MemoryStore store_;
  std::unique_ptr<NodeState> state_ = std::move(*NodeState::create(folder_.path()));
  Vfs vfs_{store_, nullptr, {}, *state_};
};

TEST_F(LayersTest, TheBaseIsAWholeTreeOfTheLineageAndTheOneLastAskedFor) {
  const Digest one = tree_of({edited(store_, "f", 1)});
  const Digest two = tree_of({edited(store_, "f", 2)});
  const Digest three = tree_of({edited(store_, "f", 3)});
  const Digest other = tree_of({edited(store_, "f", 4)}, 9);
  EXPECT_EQ(layers(one), std::vector<Digest>{one});
  const std::vector<Digest> second = layers(two);
  ASSERT_EQ(second.size(), 2u);
  EXPECT_EQ(second[1], one);
  EXPECT_EQ(layers(three)[1], one);
  EXPECT_EQ(layers(other), std::vector<Digest>{other});
  EXPECT_EQ(layers(two), second);
  std::vector<Digest> shown;
  for (const Vfs::Tree& tree : vfs_.trees()) shown.push_back(tree.id);
  EXPECT_EQ(shown, (std::vector<Digest>{one, two, three, other}));  // no deltas
}

TEST_F(LayersTest, WhatDiffersInMuchIsTheNextBase) {
  const auto many = [&](int turn) {
    std::vector<tree::Entry> out;
    for (size_t i = 0; i < kDeltaEntriesMax + 1; ++i) {
      out.push_back(file(store_, fmt::format("f{}", i), "x", 100 + i));
      if (i < kDeltaEntriesMax) out.back().ctime_ns += turn;
    }
    return out;
  };
  const Digest one = tree_of(many(1));
  const Digest two = tree_of(many(2));
  std::vector<tree::Entry> entries = many(3);
  entries.back().ctime_ns += 1;
  const Digest three = tree_of(entries);
  entries.back().ctime_ns += 1;
  const Digest four = tree_of(entries);
  EXPECT_EQ(layers(one).size(), 1u);
  EXPECT_EQ(layers(two), (std::vector<Digest>{layers(two).front(), one}));  // exactly the bound
  EXPECT_EQ(layers(three), std::vector<Digest>{three});
  EXPECT_EQ(layers(four)[1], three);
}

TEST_F(LayersTest, WhatASetupStepLeftIsABaseBesideTheSnapshots) {
  const auto installed = [&](int edit, int step) {
    std::vector<tree::Entry> out{edited(store_, "edited", edit)};
    for (size_t i = 0; i < kDeltaEntriesMax + 1; ++i) {
      out.push_back(file(store_, fmt::format("f{}", i), "x", 100 + i));
      out.back().ctime_ns += step;
    }
    return out;
  };
  const Digest plain = tree_of({edited(store_, "edited", 1)});
  EXPECT_EQ(layers(plain), std::vector<Digest>{plain});
  const Digest left = merged(installed(1, 1), 50);
  EXPECT_EQ(layers(left), std::vector<Digest>{left});
  for (uint8_t turn = 2; turn < 6; ++turn) {
    const std::vector<Digest> snapshot = layers(tree_of({edited(store_, "edited", turn)}));
    ASSERT_EQ(snapshot.size(), 2u);
    EXPECT_EQ(snapshot[1], plain);
    const auto number = static_cast<uint8_t>(50 + turn);
    const std::vector<Digest> with_setup = layers(merged(installed(turn, 1), number));
    ASSERT_EQ(with_setup.size(), 2u);
    EXPECT_EQ(with_setup[1], left);
  }
  // The one that served longest ago goes.
  for (int step = 2; step < 5; ++step) EXPECT_EQ(layers(tree_of(installed(1, step))).size(), 1u);
  EXPECT_EQ(layers(tree_of({edited(store_, "edited", 9)})).size(), 1u);
}

TEST_F(LayersTest, WhatLayersCouldNotShowRightlyIsShownWhole) {
  tree::Entry linked = file(store_, "linked", "x", 30);
  linked.links = 2;
  tree::Entry again = linked;
  again.ctime_ns += 1;
  tree::Entry whiteout = file(store_, "w", "", 31);
  whiteout.type = tree::EntryType::kCharacterDevice;
  tree::Entry point = file(store_, "p", "", 32);
  point.type = tree::EntryType::kMountPoint;
  TreeBuilder folders(store_);
  const Digest has_folder = folders.finish(
      {folders.folder("p", {file(store_, "in", "x", 33)}, 32), file(store_, "stays", "x", 4)});
  uint8_t lineage = 10;
  // Of volumes of their own, since any tree that was shown whole may be the base.
  const auto shown_over = [&](const std::vector<tree::Entry>& before,
                              const std::vector<tree::Entry>& after) {
    layers(tree_of(before, ++lineage));
    return layers(tree_of(after, lineage)).size();
  };
  EXPECT_EQ(shown_over({linked}, {again}), 1u);
  EXPECT_EQ(shown_over({linked}, {}), 1u);  // one of its names may be elsewhere
  EXPECT_EQ(shown_over({}, {whiteout}), 1u);
  EXPECT_EQ(shown_over({whiteout}, {}), 1u);
  tree::Entry special = file(store_, "special", "x", 34);
  special.xattrs = {{"user.a", "1"}};
  EXPECT_EQ(layers(has_folder).size(), 1u);
  EXPECT_EQ(layers(tree_of({point})).size(), 1u);
  EXPECT_EQ(layers(tree_of({point, special}, 1, true)).size(), 1u);
  EXPECT_EQ(layers(tree_of({point, file(store_, "f", "x", 35)})).size(), 2u);
}

TEST_F(LayersTest, TheNextDevrunFsKnowsThem) {
  const Digest one = tree_of({edited(store_, "f", 1), file(store_, "gone", "x", 8)});
  const Digest two = tree_of({edited(store_, "f", 2)});
  const Digest three = tree_of({edited(store_, "f", 3)});
  layers(one);
  const std::vector<Digest> before = layers(two);
  ASSERT_EQ(before.size(), 2u);
  const auto node_of = [](Vfs& vfs, const Digest& tree, std::string_view name) {
    const auto found = vfs.lookup(vfs.prepared(tree)->root, name);
    return found && *found ? (*found)->node : NodeId{0};
  };
  const NodeId gone = node_of(vfs_, before[0], "gone");
  const NodeId edit = node_of(vfs_, before[0], "f");
  EXPECT_EQ(vfs_.attributes(gone)->type, tree::EntryType::kCharacterDevice);
  EXPECT_EQ(edit, node_of(vfs_, two, "f"));
  EXPECT_EQ(node_of(vfs_, before[0], "stays"), 0u);
  store_.set_away(true);
  auto next =
      NodeState::adopt(UniqueFd(::dup(state_->memory_fd())), UniqueFd(::dup(state_->disk_fd())));
  ASSERT_TRUE(next.has_value()) << next.error().message;
  Vfs second(store_, nullptr, {}, **next);
  const Status recovered = second.recover();
  ASSERT_TRUE(recovered.has_value()) << recovered.error().message;
  EXPECT_EQ(second.layers(two), before);
  EXPECT_EQ(node_of(second, before[0], "gone"), gone);
  EXPECT_EQ(node_of(second, before[0], "f"), edit);
  EXPECT_EQ(second.trees().size(), 2u);
  store_.set_away(false);
  EXPECT_EQ(layers_in(second, three)[1], one);
}

TEST_F(LayersTest, WhatCouldNotBeKeptForTheNextIsNotMade) {
  const auto memory_only = std::move(*NodeState::create(""));
  Vfs vfs(store_, nullptr, {}, *memory_only);
  const Digest two = tree_of({edited(store_, "f", 2)});
  layers_in(vfs, tree_of({edited(store_, "f", 1)}));
  EXPECT_EQ(layers_in(vfs, two), std::vector<Digest>{two});
}

}  // namespace
}  // namespace devrun::volume
