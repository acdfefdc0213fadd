// An overlay's upper laid over its lower tree is what the overlay shows: checked against the
// kernel's own overlay, with renames (redirects), metadata-only copies, whiteouts and opaque folders.
#include "common/tree/upper.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>

#include "tests/unit/common/tree/upper_reader.h"

namespace devrun::tree {
namespace {

namespace fs = std::filesystem;

class Store : public DirectoryReader {
 public:
  Result<Directory> read(const Digest& id) override {
    const auto found = objects_.find(id);
    if (found == objects_.end()) return Error{Code::kCorrupt, "no object " + id.hex(), {}};
    return decode_directory(found->second);
  }
  Status add(const Object& object) {
    objects_[object.id] = object.bytes;
    return ok();
  }

 private:
  std::map<Digest, std::string> objects_;
};

Entry read_tree(Store& store, const fs::path& path) {
  Entry out = stat_of(path);
  if (out.type != EntryType::kDirectory) return out;
  Directory directory;
  for (const fs::path& name : names_in(path)) directory.entries.push_back(read_tree(store, name));
  const Object object = encode_directory(directory, {});
  EXPECT_TRUE(store.add(object));
  out.directory = object.id;
  return out;
}

// What people could tell apart, but for the number of names: a copy-up breaks hard links.
std::vector<std::string> differences(Store& store, const Entry& one, const Entry& other) {
  std::vector<std::string> out;
  const auto note = [&](const Difference& difference) {
    Changes changes = difference.changes;
    changes.links = false;
    if (difference.before == nullptr || difference.after == nullptr || changes.any()) {
      out.push_back(difference.path + (difference.before == nullptr  ? " is new"
                                       : difference.after == nullptr ? " is gone"
                                                                     : " changed"));
    }
    return ok();
  };
  EXPECT_TRUE(diff_trees({store, one}, {store, other}, {}, note));
  return out;
}

class Upper : public ::testing::Test {
 protected:
  // The overlay is seen in a mount namespace of the test's own: nothing is left of it.
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "mounting an overlay needs root";
    if (!private_) {
      ASSERT_EQ(unshare(CLONE_NEWNS), 0);
      ASSERT_EQ(mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr), 0);
      private_ = true;
    }
    char name[] = "/tmp/devrun-upper-XXXXXX";
    top_ = mkdtemp(name);
    ASSERT_EQ(mount("tmpfs", top_.c_str(), "tmpfs", 0, nullptr), 0);
    for (const char* folder : {"lower", "upper", "work", "merged"})
      fs::create_directory(top_ / folder);
  }
  void TearDown() override {
    if (top_.empty()) return;
    umount2((top_ / "merged").c_str(), MNT_DETACH);
    umount2(top_.c_str(), MNT_DETACH);
    fs::remove_all(top_);
  }
  void mount_overlay(const std::string& more) {
    const std::string options = "lowerdir=" + (top_ / "lower").string() +
                                ",upperdir=" + (top_ / "upper").string() +
                                ",workdir=" + (top_ / "work").string() + more;
    ASSERT_EQ(mount("overlay", (top_ / "merged").c_str(), "overlay", 0, options.c_str()), 0)
        << strerror(errno);
  }
  // The tree that the upper makes of the lower, beside what the overlay shows.
  void expect_same() {
    Store store;
    const Entry lower = read_tree(store, top_ / "lower");
    const Entry shown = read_tree(store, top_ / "merged");
    const auto add = [&](const Object& object) { return store.add(object); };
    const Result<Entry> laid =
        lay_upper(store, lower, stat_of(top_ / "upper"), read_upper(top_ / "upper"), {}, add);
    ASSERT_TRUE(laid) << laid.error().message;
    EXPECT_EQ(differences(store, *laid, shown), std::vector<std::string>{});
    changed_ += differences(store, lower, shown).size();
  }
  void write(const std::string& path, const std::string& text) {
    fs::create_directories((top_ / path).parent_path());
    std::ofstream(top_ / path) << text;
  }

  static inline bool private_ = false;
  fs::path top_;
  size_t changed_ = 0;
};

TEST_F(Upper, RenamedFoldersWhiteoutsAndMetadataCopies) {
  for (const char* path :
       {"lower/d/e/f", "lower/d/g", "lower/gone/x", "lower/again/x", "lower/m", "lower/moved"}) {
    write(path, path);
  }
  mount_overlay(",redirect_dir=on,metacopy=on");
  const fs::path at = top_ / "merged";
  fs::rename(at / "d" / "e", at / "e2");
  fs::rename(at / "d", at / "d2");
  write("merged/d2/new", "n");
  fs::remove_all(at / "gone");
  fs::remove_all(at / "again");
  write("merged/again/y", "y");
  fs::permissions(at / "m", fs::perms::owner_read);
  fs::permissions(at / "moved", fs::perms::owner_read);
  fs::rename(at / "moved", at / "e2" / "moved");
  fs::create_symlink("m", at / "link");
  expect_same();
  EXPECT_GT(changed_, 8u);
}

TEST_F(Upper, RandomOperations) {
  for (uint32_t seed = 0; seed < 60; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    const auto below = [&](uint32_t bound) { return static_cast<uint32_t>(random() % bound); };
    const auto path = [&] {
      std::string out(1, static_cast<char>('a' + below(3)));
      for (uint32_t depth = below(3); depth > 0; --depth) {
        out += std::string("/") + static_cast<char>('a' + below(3));
      }
      return out;
    };
    std::error_code ignored;
    for (int i = 0; i < 12; ++i) {
      const fs::path at = top_ / "lower" / path();
      fs::create_directories(at.parent_path(), ignored);
      std::ofstream(at) << i;
    }
    mount_overlay(seed % 2 == 0 ? ",redirect_dir=on,metacopy=on" : "");
    for (int i = 0; i < 25; ++i) {
      const fs::path at = top_ / "merged" / path();
      switch (below(6)) {
        case 0:
          fs::remove_all(at, ignored);
          break;
        case 1:
          fs::rename(at, top_ / "merged" / path(), ignored);
          break;
        case 2:
          fs::permissions(at, fs::perms(0700 + below(8)), ignored);
          break;
        case 3:
          fs::create_hard_link(at, top_ / "merged" / path(), ignored);
          break;
        default:
          fs::create_directories(at.parent_path(), ignored);
          std::ofstream(at) << "new " << i;
      }
    }
    expect_same();
    if (HasFailure()) return;
    umount2((top_ / "merged").c_str(), MNT_DETACH);
    for (const char* folder : {"lower", "upper", "work"}) {
      fs::remove_all(top_ / folder);
      fs::create_directory(top_ / folder);
    }
  }
  EXPECT_GT(changed_, 500u);
}

TEST_F(Upper, WhatFitsNoLowerTreeIsNamed) {
  Store store;
  write("lower/f", "x");
  const Entry lower = read_tree(store, top_ / "lower");
  UpperFolder upper;
  UpperEntry moved;
  moved.entry.type = EntryType::kDirectory;
  moved.entry.name = "d";
  moved.folder.redirect = "/nowhere";
  upper.entries = {moved};
  const auto add = [&](const Object& object) { return store.add(object); };
  const auto laid = lay_upper(store, lower, lower, upper, {}, add);
  ASSERT_FALSE(laid);
  EXPECT_EQ(laid.error().message, "the upper's /d leads to /nowhere: there is no /nowhere");
}

}  // namespace
}  // namespace devrun::tree
