// The three-way merge: the table of its cases, and over random trees that it loses nothing, guesses
// nothing and is the same each time.
#include "common/tree/merge.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

#include "common/tree/merge_entry.h"

namespace devrun::tree {
namespace {

constexpr Lineage kVolume{1};
constexpr Lineage kMerge{9};

// Leaves by path; folders are there where something is below them, or by a path that ends in '/'.
using Leaves = std::map<std::string, Entry>;

class Store : public DirectoryReader {
 public:
  Result<Directory> read(const Digest& id) override {
    ++reads;
    const auto found = objects_.find(id);
    if (found == objects_.end()) return Error{Code::kCorrupt, "no object " + id.hex(), {}};
    return decode_directory(found->second);
  }
  void add(const Object& object) { objects_[object.id] = object.bytes; }

  Entry tree(const Leaves& leaves, const std::string& prefix = "") {
    Entry out;
    out.type = EntryType::kDirectory;
    out.mode = 0755;
    out.lineage = kVolume;
    Directory directory;
    for (auto at = leaves.lower_bound(prefix);
         at != leaves.end() && at->first.starts_with(prefix);) {
      const std::string rest = at->first.substr(prefix.size());
      const size_t slash = rest.find('/');
      if (slash == std::string::npos) {
        if (!rest.empty()) directory.entries.push_back(at->second);
        ++at;
        continue;
      }
      const std::string below = prefix + rest.substr(0, slash + 1);
      directory.entries.push_back(tree(leaves, below));
      directory.entries.back().name = rest.substr(0, slash);
      while (at != leaves.end() && at->first.starts_with(below)) ++at;
    }
    std::ranges::sort(directory.entries, {}, &Entry::name);
    const Object object = encode_directory(directory, kVolume);
    add(object);
    out.directory = object.id;
    return out;
  }

  Leaves leaves(const Entry& root, const std::string& prefix = "") {
    Leaves out;
    const Directory directory = read(root.directory).value();
    for (const Entry& entry : directory.entries) {
      if (entry.type == EntryType::kDirectory) {
        out.merge(leaves(entry, prefix + entry.name + "/"));
      } else {
        out[prefix + entry.name] = entry;
      }
    }
    return out;
  }

  int reads = 0;

 private:
  std::map<Digest, std::string> objects_;
};

Entry file(const std::string& path, const std::string& text, uint32_t mode = 0644,
           uint64_t inode = 5) {
  Entry out;
  out.name = path.substr(path.rfind('/') + 1);
  out.mode = mode;
  out.size = text.size();
  if (!text.empty()) out.body = {BodyKind::kInline, text};
  out.inode = inode;
  out.lineage = kVolume;
  return out;
}

Leaves files(std::initializer_list<std::pair<std::string, std::string>> list) {
  Leaves out;
  for (const auto& [path, text] : list) out[path] = file(path, text);
  return out;
}

struct Outcome {
  Entry root;
  Leaves leaves;
  std::map<std::string, Conflict> conflicts;
};

Outcome merged(Store& store, const Entry& base, const Entry& ours, const Entry& theirs) {
  Outcome out;
  const auto add = [&](const Object& object) {
    store.add(object);
    return ok();
  };
  const auto note = [&](const Conflict& conflict) {
    EXPECT_TRUE(out.conflicts.emplace(conflict.path, conflict).second) << conflict.path;
    return ok();
  };
  out.root = merge_trees({store, base, ours, theirs, kVolume, kMerge}, add, note).value();
  out.leaves = store.leaves(out.root);
  return out;
}

Outcome merged(Store& store, const Leaves& base, const Leaves& ours, const Leaves& theirs) {
  return merged(store, store.tree(base), store.tree(ours), store.tree(theirs));
}

std::string text_of(const Leaves& leaves) {
  std::string out;
  for (const auto& [path, entry] : leaves) out += path + "=" + entry.body.id + " ";
  return out;
}

TEST(Merge, OneSideAloneIsTakenAndEqualChangesAreNoConflict) {
  Store store;
  const Leaves base = files({{"a", "1"}, {"d/b", "1"}, {"d/c", "1"}});
  const Leaves ours = files({{"a", "2"}, {"d/b", "1"}, {"d/c", "3"}, {"new", "n"}});
  const Leaves theirs = files({{"a", "1"}, {"d/b", "2"}, {"d/c", "3"}, {"new", "n"}, {"e/x", "x"}});
  const Outcome out = merged(store, base, ours, theirs);
  EXPECT_EQ(text_of(out.leaves), "a=2 d/b=2 d/c=3 e/x=x new=n ");
  EXPECT_TRUE(out.conflicts.empty());
}

TEST(Merge, BothChangedStaysOursAndIsTold) {
  Store store;
  const Outcome out = merged(store, files({{"d/a", "1"}}), files({{"d/a", "2"}, {"d/n", "x"}}),
                             files({{"d/a", "3"}, {"d/n", "y"}}));
  EXPECT_EQ(text_of(out.leaves), "d/a=2 d/n=x ");
  ASSERT_EQ(out.conflicts.size(), 2u);
  const Conflict& changed = out.conflicts.at("d/a");
  EXPECT_EQ(changed.kind, ConflictKind::kChangedOnBoth);
  EXPECT_EQ(changed.base->body.id + changed.ours->body.id + changed.theirs->body.id, "123");
  EXPECT_EQ(out.conflicts.at("d/n").kind, ConflictKind::kAddedOnBoth);
}

TEST(Merge, ADeletedFolderKeepsWhatWasChangedInIt) {
  Store store;
  const Leaves base = files({{"d/a", "1"}, {"d/b", "1"}, {"d/e/f", "1"}, {"k", "1"}});
  const Outcome out =
      merged(store, base, files({{"d/a", "2"}, {"d/b", "1"}, {"d/e/f", "1"}, {"k", "1"}}),
             files({{"k", "1"}}));
  EXPECT_EQ(text_of(out.leaves), "d/a=2 k=1 ");
  EXPECT_EQ(out.conflicts.at("d/a").kind, ConflictKind::kOursChangedTheirsDeleted);
  EXPECT_EQ(out.conflicts.size(), 1u);
}

TEST(Merge, WhatOursDeletedStaysDeletedAndIsToldOnce) {
  Store store;
  const Leaves base = files({{"d/a", "1"}, {"d/b", "1"}, {"k", "1"}});
  const Outcome out =
      merged(store, base, files({{"k", "1"}}), files({{"d/a", "2"}, {"d/b", "2"}, {"k", "1"}}));
  EXPECT_EQ(text_of(out.leaves), "k=1 ");
  ASSERT_EQ(out.conflicts.size(), 1u);
  EXPECT_EQ(out.conflicts.at("d").kind, ConflictKind::kOursDeletedTheirsChanged);
}

TEST(Merge, AFileAgainstAFolderIsAConflict) {
  Store store;
  const Outcome out =
      merged(store, files({{"x", "1"}}), files({{"x", "2"}}), files({{"x/y", "3"}}));
  EXPECT_EQ(text_of(out.leaves), "x=2 ");
  EXPECT_EQ(out.conflicts.at("x").kind, ConflictKind::kTypes);
}

// Nothing is in the way: what is left of the folder was as the other side knew it.
TEST(Merge, AFolderOfWhichOneSideOnlyRemovedMayBeReplacedOrRemoved) {
  Store store;
  const Leaves base = files({{"d/a", "1"}, {"d/b/c", "1"}, {"k", "1"}});
  const Leaves less = files({{"d/b/c", "1"}, {"k", "1"}});
  const Leaves replaced = files({{"d", "2"}, {"k", "1"}});
  const Leaves removed = files({{"k", "1"}});
  for (const Leaves& other : {replaced, removed}) {
    const Outcome theirs = merged(store, base, less, other);
    EXPECT_EQ(text_of(theirs.leaves), text_of(other));
    EXPECT_TRUE(theirs.conflicts.empty());
    const Outcome ours = merged(store, base, other, less);
    EXPECT_EQ(text_of(ours.leaves), text_of(other));
    EXPECT_TRUE(ours.conflicts.empty());
  }
  const Leaves edited = files({{"d/b/c", "2"}, {"k", "1"}});
  EXPECT_EQ(merged(store, base, edited, replaced).conflicts.size(), 1u);
}

TEST(Merge, BytesOfOneAndModeOfTheOtherAreAFileOfItsOwn) {
  Store store;
  Leaves base = files({{"a", "1"}});
  Leaves ours = base;
  ours["a"].mode = 0755;
  Leaves theirs = base;
  theirs["a"] = file("a", "2", 0644, 77);
  theirs["a"].mtime_ns = 50;
  const Outcome out = merged(store, base, ours, theirs);
  const Entry& mixed = out.leaves.at("a");
  EXPECT_TRUE(out.conflicts.empty());
  EXPECT_EQ(mixed.body.id, "2");
  EXPECT_EQ(mixed.mode, 0755u);
  EXPECT_EQ(mixed.mtime_ns, 50);
  EXPECT_EQ(mixed.lineage, kMerge);
  EXPECT_EQ(mixed.inode, 1u);
}

TEST(Merge, ModesThatDifferOnAllThreeAndTornHardLinksAreConflicts) {
  Store store;
  Leaves base = files({{"a", "1"}, {"m", "1"}});
  Leaves ours = base;
  ours["a"].links = 2;
  ours["b"] = ours["a"];
  ours["b"].name = "b";
  ours["m"].mode = 0600;
  Leaves theirs = base;
  theirs["a"] = file("a", "2");
  theirs["m"].mode = 0666;
  const Outcome out = merged(store, base, ours, theirs);
  EXPECT_EQ(text_of(out.leaves), "a=1 b=1 m=1 ");
  EXPECT_EQ(out.conflicts.at("a").kind, ConflictKind::kLinks);
  EXPECT_EQ(out.conflicts.at("m").kind, ConflictKind::kAttributes);
}

TEST(Merge, TimesAloneNeverConflictAndTheLaterCounts) {
  Store store;
  Leaves base = files({{"a", "1"}});
  Leaves ours = base;
  ours["a"].mtime_ns = 10;
  Leaves theirs = base;
  theirs["a"].mtime_ns = 20;
  const Outcome out = merged(store, base, ours, theirs);
  EXPECT_TRUE(out.conflicts.empty());
  EXPECT_EQ(out.leaves.at("a").mtime_ns, 20);
}

TEST(Merge, ReadsOnlyWhatDiffersOnBothSides) {
  Store store;
  Leaves base;
  for (int i = 0; i < 50; ++i) {
    for (const char* name : {"x", "y"}) {
      const std::string path = "d" + std::to_string(i) + "/" + name;
      base[path] = file(path, "1");
    }
  }
  Leaves ours = base;
  ours["d1/x"] = file("d1/x", "2");
  ours["d2/x"] = file("d2/x", "2");
  Leaves theirs = base;
  theirs["d2/y"] = file("d2/y", "3");
  theirs["d3/y"] = file("d3/y", "3");
  const Entry b = store.tree(base);
  const Entry o = store.tree(ours);
  const Entry t = store.tree(theirs);
  store.reads = 0;
  const auto none = [](const auto&) { return ok(); };
  ASSERT_TRUE(merge_trees({store, b, o, t, kVolume, kMerge}, none, none));
  EXPECT_EQ(store.reads, 8);  // the roots and d2, each of three and once more of ours
}

TEST(Merge, AnErrorOfTheReaderNamesThePlace) {
  Store store;
  Entry b = store.tree(files({{"d/a", "1"}}));
  Entry o = b;
  o.directory.bytes[0] ^= 1;
  Entry t = b;
  t.directory.bytes[0] ^= 2;
  const auto none = [](const auto&) { return ok(); };
  const auto out = merge_trees({store, b, o, t, kVolume, kMerge}, none, none);
  ASSERT_FALSE(out);
  EXPECT_EQ(out.error().message.find("merging /: no object"), 0u) << out.error().message;
}

// Random trees of few names, so that every kind of collision happens.
class Random {
 public:
  explicit Random(uint32_t seed) : engine_(seed) {}
  uint32_t below(uint32_t bound) { return static_cast<uint32_t>(engine_() % bound); }

  Leaves tree() {
    Leaves out;
    for (uint32_t i = 0; i < 8; ++i) write(out);
    return out;
  }
  Leaves changed(Leaves tree) {
    for (uint32_t i = below(6); i > 0; --i) {
      const uint32_t what = below(5);
      if (what < 3 || tree.empty()) {
        write(tree);
      } else {
        auto at = std::next(tree.begin(), below(static_cast<uint32_t>(tree.size())));
        if (what == 3) {
          at->second.mode = 0600 + below(3);
        } else {
          const std::string folder = at->first.substr(0, at->first.find('/') + 1);
          std::erase_if(tree, [&](const auto& leaf) {
            return leaf.first == at->first || (!folder.empty() && leaf.first.starts_with(folder));
          });
        }
      }
    }
    return tree;
  }

 private:
  void write(Leaves& tree) {
    std::string path(1, static_cast<char>('a' + below(3)));
    for (uint32_t depth = below(3); depth > 0; --depth) {
      path += '/';
      path += static_cast<char>('a' + below(3));
    }
    // What stands in the way of the path, or below it, goes.
    std::erase_if(tree, [&](const auto& leaf) {
      return path.starts_with(leaf.first + "/") || leaf.first.starts_with(path + "/");
    });
    tree[path] = file(path, std::string(1, static_cast<char>('0' + below(4))), 0644, ++inode_);
  }

  std::mt19937 engine_;
  uint64_t inode_ = 100;
};

const Entry* at(const Leaves& leaves, const std::string& path) {
  const auto found = leaves.find(path);
  return found == leaves.end() ? nullptr : &found->second;
}

bool is_told(const Outcome& out, const std::string& path) {
  for (const auto& [conflict, value] : out.conflicts) {
    if (path == conflict || path.starts_with(conflict + "/") || conflict.starts_with(path + "/"))
      return true;
  }
  return false;
}

// Every leaf that only one side touched is as that side left it; where both did, ours stays and
// a conflict tells.
void check(const Outcome& out, const Leaves& base, const Leaves& ours, const Leaves& theirs) {
  Leaves all = base;
  all.insert(ours.begin(), ours.end());
  all.insert(theirs.begin(), theirs.end());
  for (const auto& [path, ignored] : all) {
    const Entry* b = at(base, path);
    const Entry* o = at(ours, path);
    const Entry* t = at(theirs, path);
    const Entry* r = at(out.leaves, path);
    if (is_told(out, path)) {
      if (!same_entry(b, o)) {
        EXPECT_TRUE(same_entry(r, o)) << path;
      }
    } else if (same_entry(b, t) || same_entry(o, t)) {
      EXPECT_TRUE(same_entry(r, o)) << path;
    } else if (same_entry(b, o)) {
      EXPECT_TRUE(same_entry(r, t)) << path;
    } else {
      ASSERT_TRUE(b && o && t && r) << path;  // bytes of one, mode of the other
      EXPECT_EQ(r->body, b->body == o->body ? t->body : o->body) << path;
      EXPECT_EQ(r->mode, b->mode == o->mode ? t->mode : o->mode) << path;
    }
  }
  const auto pointer = [](const auto& value) { return value ? &*value : nullptr; };
  for (const auto& [path, told] : out.conflicts) {
    EXPECT_FALSE(same_entry(pointer(told.base), pointer(told.ours))) << path << " needlessly";
    EXPECT_FALSE(same_entry(pointer(told.base), pointer(told.theirs))) << path << " needlessly";
  }
  for (const auto& [path, ignored] : out.leaves) {
    EXPECT_TRUE(at(ours, path) || at(theirs, path)) << path << " came from nowhere";
  }
}

TEST(Merge, RandomTreesLoseNothing) {
  std::map<ConflictKind, int> seen;
  for (uint32_t seed = 0; seed < 2000; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    Store store;
    const Leaves base = random.tree();
    const Leaves ours = random.changed(base);
    const Leaves theirs = random.changed(base);
    const Outcome out = merged(store, base, ours, theirs);
    check(out, base, ours, theirs);
    EXPECT_EQ(out.root, merged(store, base, ours, theirs).root);
    for (const auto& [path, conflict] : out.conflicts) ++seen[conflict.kind];
    EXPECT_EQ(merged(store, base, ours, base).root.directory, store.tree(ours).directory);
    EXPECT_EQ(merged(store, base, base, theirs).root.directory, store.tree(theirs).directory);
    EXPECT_EQ(merged(store, base, ours, ours).root.directory, store.tree(ours).directory);
    // Laid over the result once more, as after a crash, theirs adds nothing.
    EXPECT_EQ(merged(store, store.tree(base), out.root, store.tree(theirs)).root, out.root);
    if (HasFailure()) break;
  }
  for (const ConflictKind kind :
       {ConflictKind::kChangedOnBoth, ConflictKind::kAddedOnBoth,
        ConflictKind::kOursChangedTheirsDeleted, ConflictKind::kOursDeletedTheirsChanged,
        ConflictKind::kTypes, ConflictKind::kAttributes}) {
    EXPECT_GT(seen[kind], 10) << static_cast<int>(kind);
  }
}

}  // namespace
}  // namespace devrun::tree
