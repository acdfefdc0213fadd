// Taking a part of what differs: what is chosen is other's, all else base's.
#include "common/tree/select.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

namespace devrun::tree {
namespace {

constexpr Lineage kVolume{1};

class SelectTest : public ::testing::Test, public DirectoryReader {
 protected:
  using Files = std::map<std::string, std::string>;  // a path that ends in '/': an empty folder

  Result<Directory> read(const Digest& id) override { return decode_directory(objects_.at(id)); }
  ObjectSink sink() {
    return [this](const Object& object) {
      objects_[object.id] = object.bytes;
      return ok();
    };
  }

  Entry tree(const Files& files, const std::string& prefix = "", uint32_t mode = 0755) {
    Entry out;
    out.type = EntryType::kDirectory;
    out.mode = mode;
    out.lineage = kVolume;
    Directory directory;
    for (auto at = files.lower_bound(prefix); at != files.end() && at->first.starts_with(prefix);) {
      const std::string rest = at->first.substr(prefix.size());
      const size_t slash = rest.find('/');
      if (slash == std::string::npos) {
        if (!rest.empty()) {
          Entry file;
          file.name = rest;
          file.mode = 0644;
          file.size = at->second.size();
          file.body = {BodyKind::kInline, at->second};
          file.lineage = kVolume;
          directory.entries.push_back(file);
        }
        ++at;
        continue;
      }
      const std::string below = prefix + rest.substr(0, slash + 1);
      directory.entries.push_back(tree(files, below));
      directory.entries.back().name = rest.substr(0, slash);
      while (at != files.end() && at->first.starts_with(below)) ++at;
    }
    std::ranges::sort(directory.entries, {}, &Entry::name);
    const Object object = encode_directory(directory, kVolume);
    objects_[object.id] = object.bytes;
    out.directory = object.id;
    return out;
  }
  Files files(const Entry& root, const std::string& prefix = "") {
    Files out;
    const Directory directory = *read(root.directory);
    for (const Entry& entry : directory.entries) {
      if (entry.type == EntryType::kDirectory) {
        const Files below = files(entry, prefix + entry.name + "/");
        if (below.empty()) out[prefix + entry.name + "/"] = "";
        out.insert(below.begin(), below.end());
      } else {
        out[prefix + entry.name] = entry.body.id;
      }
    }
    return out;
  }
  Files select(const Files& base, const Files& other, const std::set<std::string>& chosen) {
    const Chooser choose = [&](const std::string& path, const Entry*, const Entry*) {
      return chosen.contains(path);
    };
    return files(*select_tree({*this, tree(base), tree(other), kVolume, choose}, sink()));
  }

  std::map<Digest, std::string> objects_;
};

TEST_F(SelectTest, WhatIsChosenIsOthers) {
  const Files base{{"a", "1"}, {"b", "1"}, {"d/x", "1"}, {"d/y", "1"}};
  const Files other{{"a", "2"}, {"b", "2"}, {"d/x", "2"}, {"n", "2"}};
  EXPECT_EQ(select(base, other, {"a", "d/y", "n"}),
            (Files{{"a", "2"}, {"b", "1"}, {"d/x", "1"}, {"n", "2"}}));
  EXPECT_EQ(select(base, other, {}), base);
}

TEST_F(SelectTest, AFolderComesWithWhatIsChosenInIt) {
  EXPECT_EQ(select({}, {{"d/e/x", "2"}, {"d/y", "2"}}, {"d/e/x"}), (Files{{"d/e/x", "2"}}));
  EXPECT_EQ(select({}, {{"d/e/x", "2"}}, {"d/e"}), (Files{{"d/e/", ""}}));
  EXPECT_EQ(select({}, {{"d/e/x", "2"}}, {}), (Files{}));
}

TEST_F(SelectTest, AFolderGoesOnceNothingIsLeftInIt) {
  const Files base{{"d/x", "1"}, {"d/y", "1"}, {"k", "1"}};
  EXPECT_EQ(select(base, {{"k", "1"}}, {"d", "d/x"}), (Files{{"d/y", "1"}, {"k", "1"}}));
  EXPECT_EQ(select(base, {{"k", "1"}}, {"d", "d/x", "d/y"}), (Files{{"k", "1"}}));
  EXPECT_EQ(select(base, {{"k", "1"}}, {"d/x", "d/y"}), (Files{{"d/", ""}, {"k", "1"}}));
}

TEST_F(SelectTest, AFileInAFoldersPlaceAndTheReverse) {
  const Files folder{{"p/x", "1"}};
  const Files file{{"p", "2"}};
  EXPECT_EQ(select(folder, file, {"p", "p/x"}), file);
  EXPECT_EQ(select(folder, file, {"p"}), folder);
  EXPECT_EQ(select(folder, file, {"p/x"}), (Files{{"p/", ""}}));
  EXPECT_EQ(select(file, folder, {"p", "p/x"}), folder);
  EXPECT_EQ(select(file, folder, {"p/x"}), file);
}

TEST_F(SelectTest, WhatCannotBeToldApartIsBasesOwn) {
  const Entry base = tree({{"d/x", "1"}});
  Directory d;
  Entry twin;
  twin.name = "x";
  twin.mode = 0644;
  twin.size = 1;
  twin.body = {BodyKind::kInline, "1"};
  twin.lineage = Lineage{9};
  twin.inode = 77;
  d.entries = {twin};
  const Object object = encode_directory(d, kVolume);
  objects_[object.id] = object.bytes;
  Entry folder;
  folder.name = "d";
  folder.type = EntryType::kDirectory;
  folder.mode = 0755;
  folder.lineage = kVolume;
  folder.directory = object.id;
  Directory top;
  top.entries = {folder};
  const Object root = encode_directory(top, kVolume);
  objects_[root.id] = root.bytes;
  Entry other = base;
  other.directory = root.id;
  const Chooser all = [](const std::string&, const Entry*, const Entry*) { return true; };
  EXPECT_EQ(select_tree({*this, base, other, kVolume, all}, sink())->directory, base.directory);
}

}  // namespace
}  // namespace devrun::tree
