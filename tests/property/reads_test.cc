// A stale hit never happens: whatever a program finds out of a tree, if another tree would have
// answered it otherwise, changed_reads says so. A program is a random walk whose next question follows
// from all answers so far, as that of a real one does; its result is the hash of these.
#include "common/tree/reads.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>

#include "common/tree/codec.h"

namespace devrun::tree {
namespace {

constexpr Lineage kVolume{1};
constexpr int kRounds = 4000;
constexpr const char* kNames[] = {"a", "b", "c", "d", "e"};

struct File {
  std::string bytes;
  int64_t mtime = 1;
  uint32_t mode = 0644;
};
// A path that ends in '/' is a folder, whose mode is its file's.
using Model = std::map<std::string, File>;

class Trees : public DirectoryReader {
 public:
  Result<Directory> read(const Digest& id) override { return decode_directory(objects_.at(id)); }
  Entry make(const Model& model, const std::string& prefix, uint32_t mode) {
    Entry out;
    out.type = EntryType::kDirectory;
    out.mode = mode;
    out.lineage = kVolume;
    out.mtime_ns = clock_++;  // folders' times are no answers
    Directory directory;
    for (const auto& [path, file] : model) {
      if (!path.starts_with(prefix) || path == prefix) continue;
      const std::string rest = path.substr(prefix.size());
      const size_t slash = rest.find('/');
      if (slash != std::string::npos && slash + 1 < rest.size()) continue;
      if (slash != std::string::npos) {
        directory.entries.push_back(make(model, path, file.mode));
        directory.entries.back().name = rest.substr(0, slash);
        continue;
      }
      Entry entry;
      entry.name = rest;
      entry.mode = file.mode;
      entry.size = file.bytes.size();
      entry.mtime_ns = file.mtime;
      entry.ctime_ns = clock_++;
      entry.inode = static_cast<uint64_t>(clock_++);
      entry.lineage = kVolume;
      if (!file.bytes.empty()) entry.body = {BodyKind::kInline, file.bytes};
      directory.entries.push_back(entry);
    }
    std::ranges::sort(directory.entries, {}, &Entry::name);
    const Object object = encode_directory(directory, kVolume);
    objects_[object.id] = object.bytes;
    out.directory = object.id;
    return out;
  }
  Entry make(const Model& model) { return make(model, "", 0755); }

 private:
  std::map<Digest, std::string> objects_;
  int64_t clock_ = 1;
};

// What it asks is noted as devrun-fs does: each name on the way, in the folder that it is in.
class Program {
 public:
  Program(DirectoryReader& reader, const Entry& root, uint64_t seed)
      : reader_(reader), root_(root) {
    reads_.folders[""];
    state_ = seed;
    for (int i = 0; i < 12; ++i) {
      step();
      state_ = std::hash<std::string>{}(fmt::format("{} {}", state_, said_));
    }
  }
  const Reads& reads() const { return reads_; }
  const std::string& result() const { return said_; }

 private:
  void step() {
    std::mt19937_64 random(state_);
    Entry at = root_;
    std::string path;
    const auto depth = random() % 4;
    for (uint64_t i = 0; i <= depth; ++i) {
      const std::string name = kNames[random() % std::size(kNames)];
      Reads::Folder& folder = reads_.folders[path];
      if (i == depth && random() % 4 == 0) {
        folder.listed = true;
        said_ += "[";
        const Directory directory = *reader_.read(at.directory);
        for (const Entry& one : directory.entries) {
          said_ += one.name + (one.type == EntryType::kDirectory ? "/" : "");
        }
        said_ += "]";
        return;
      }
      folder.names.insert(name);
      const Directory directory = *reader_.read(at.directory);
      const auto found = std::ranges::find(directory.entries, name, &Entry::name);
      if (found == directory.entries.end()) {
        said_ += "-";
        return;
      }
      at = *found;
      path += (path.empty() ? "" : "/") + name;
      said_ += fmt::format("({} {:o})", name, at.mode);
      if (at.type == EntryType::kDirectory) continue;
      said_ += fmt::format("{{{} {} {}}}", at.body.id, at.mtime_ns, at.size);
      return;
    }
  }

  DirectoryReader& reader_;
  const Entry root_;
  uint64_t state_ = 0;
  Reads reads_;
  std::string said_;
};

std::string some_path(std::mt19937_64& random, const Model& model) {
  std::string folder;
  std::vector<std::string> folders{""};
  for (const auto& [path, file] : model) {
    if (path.ends_with('/')) folders.push_back(path);
  }
  folder = folders[random() % folders.size()];
  return folder + kNames[random() % std::size(kNames)];
}

void remove(Model& model, const std::string& path) {
  model.erase(path);
  std::erase_if(model, [&](const auto& one) { return one.first.starts_with(path + "/"); });
}

void edit(std::mt19937_64& random, Model& model) {
  const std::string path = some_path(random, model);
  const auto known = model.find(path);
  switch (random() % 6) {
    case 0:
      remove(model, path);
      return;
    case 1:
      remove(model, path);
      model[path + "/"].mode = 0755;
      return;
    case 2:
      if (known != model.end()) known->second.mtime += 1;  // touched
      return;
    case 3:
      if (known != model.end()) known->second.mode ^= 0111;
      return;
    default:
      remove(model, path);
      model[path] = {fmt::format("{}", random() % 5), static_cast<int64_t>(random() % 3), 0644};
  }
}

TEST(ReadsProperty, WhateverWouldHaveBeenAnsweredOtherwiseIsTold) {
  int differed = 0;
  int same = 0;
  for (int round = 0; round < kRounds; ++round) {
    std::mt19937_64 random(static_cast<uint64_t>(round));
    Trees trees;
    Model model;
    for (int i = 0; i < 25; ++i) edit(random, model);
    const Entry before = trees.make(model);
    const Program ran(trees, before, static_cast<uint64_t>(round));
    for (auto edits = random() % 4; edits > 0; --edits) edit(random, model);
    const Entry now = trees.make(model);
    const Program again(trees, now, static_cast<uint64_t>(round));
    // As it comes from the node.
    const Result<Reads> reads = decode_reads(encode_reads(ran.reads()));
    ASSERT_TRUE(reads);
    ASSERT_EQ(*reads, ran.reads());
    const auto changed = changed_reads(trees, before, now, *reads, 10);
    ASSERT_TRUE(changed) << changed.error().message;
    if (again.result() != ran.result()) {
      ++differed;
      ASSERT_FALSE(changed->empty()) << "a stale hit in round " << round;
    } else if (changed->empty()) {
      ++same;
    }
  }
  // The test would be none if its programs saw nothing, or everything.
  EXPECT_GT(differed, kRounds / 20);
  EXPECT_GT(same, kRounds / 10);
}

}  // namespace
}  // namespace devrun::tree
