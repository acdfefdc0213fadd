// Records of a store: copied, lost, and put back where there is nothing, and nowhere else.
#include "controller/storage/store_records.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>

#include "common/runtime/file.h"
#include "common/tree/codec.h"
#include "common/tree/paths.h"
#include "controller/storage/catalog.h"
#include "controller/storage/change_record.h"
#include "controller/storage/export_files.h"
#include "controller/storage/records.h"

namespace devrun::storage {
namespace {

namespace fs = std::filesystem;

struct StoreRecords : ::testing::Test {
  StoreRecords() {
    std::string pattern = "/tmp/devrun-records-XXXXXX";
    folder = ::mkdtemp(pattern.data());
    store = folder + "/store";
    kept = folder + "/kept";
    EXPECT_TRUE(make_export_folders(store + "/export"));
    old = publish('o');
    newest = publish('n');
    for (const char* volume : {"box", ".removed/old.17"}) {
      const std::string path = store + "/volumes/" + volume;
      put(path + "/volume.json", "{\"name\":\"box\"}");
      put(path + "/live/root/file", "of a user");
      const auto catalog = Catalog::open(path);
      EXPECT_TRUE(catalog);
      SnapshotRecord record;
      for (const auto& [number, tree] : {std::pair{2u, old}, {3u, newest}}) {
        record.number = number;
        record.tree = tree;
        EXPECT_TRUE((*catalog)->add({&record, 1}));
      }
      EXPECT_TRUE(write_newest_record(path, {newest, Time{5}, 1, {}}));
    }
    put(store + "/volumes/.new.half/volume.json", "{}");
    put(store + "/setups/f/7.json", setup_of(newest));
    put(store + "/setups/f/7.reads", "what it read");
    put(store + "/setups/f/6.json", setup_of(old));
    put(store + "/setups/f/6.reads", "what it read");
    EXPECT_TRUE(write_change_set(store + "/jobs", change_set(42, newest)));
    EXPECT_TRUE(write_change_set(store + "/jobs", change_set(41, old)));
    put(store + "/jobs/42/-.0.1/output", "said");
    const auto copied = copy_records(store, kept);
    EXPECT_TRUE(copied) << copied.error().message;
    EXPECT_EQ(*copied, 2u);
  }
  ~StoreRecords() override { fs::remove_all(folder); }
  // A tree of one file, whose body is in the store.
  Digest publish(char name) {
    tree::Entry file;
    file.name = std::string(1, name);
    file.size = 100'000;
    file.body.kind = tree::BodyKind::kChunked;
    file.body.id = std::string(32, name);
    put(body_of(name), "bytes");
    const tree::Object object = tree::encode_directory({{file}}, {});
    tree::Manifest manifest;
    manifest.volume = "box";
    manifest.root.type = tree::EntryType::kDirectory;
    manifest.root.directory = object.id;
    manifest.tree = object.id;
    std::vector<std::string> written;
    const auto made = ExportFiles(store + "/export").publish_objects(manifest, {object}, written);
    EXPECT_TRUE(made) << made.error().message;
    return object.id;
  }
  std::string body_of(char name) const {
    tree::Body body;
    body.kind = tree::BodyKind::kChunked;
    body.id = std::string(32, name);
    return store + "/export/" + tree::body_path(body);
  }
  static std::string setup_of(const Digest& tree) {
    return "{\"plain\":\"" + tree.hex() + "\",\"left\":\"" + tree.hex() + "\"}";
  }
  static ChangeSet change_set(JobId job, const Digest& tree) {
    ChangeSet out;
    out.key = {.job = job};
    out.volume = "box";
    out.root = out.left = out.taken = tree;
    return out;
  }
  std::string tree_path(const Digest& tree) const {
    return store + "/export/" + tree::manifest_path(tree);
  }
  void lose_the_records() {
    for (const char* part : {"export/trees", "export/packs", "setups", "jobs"}) {
      fs::remove_all(store + "/" + part);
    }
    for (const char* volume : {"box", ".removed/old.17"}) {
      for (const char* file : {"volume.json", "newest.json", "snapshots/log"}) {
        EXPECT_TRUE(fs::remove(store + "/volumes/" + volume + "/" + file)) << volume << file;
      }
    }
  }
  static void put(const std::string& path, const std::string& bytes) {
    EXPECT_TRUE(make_folders(fs::path(path).parent_path().string()));
    std::ofstream(path, std::ios::binary) << bytes;
  }
  std::string read(const std::string& path) {
    const auto text = read_file(store + "/" + path);
    return text ? *text : "(none)";
  }
  PutRecords put_back() {
    told.clear();
    const auto done =
        put_records(kept, store, [&](std::string_view line) { told += std::string(line) + "\n"; });
    EXPECT_TRUE(done) << done.error().message;
    return done ? *done : PutRecords{};
  }
  std::string folder, store, kept, told;
  Digest old, newest;
};

TEST_F(StoreRecords, HaveNoBytesOfFilesNorOutput) {
  EXPECT_TRUE(fs::exists(kept + "/export/" + tree::manifest_path(newest)));
  EXPECT_TRUE(fs::exists(kept + "/volumes/.removed/old.17/snapshots/log"));
  EXPECT_FALSE(fs::exists(kept + "/export/content"));
  EXPECT_FALSE(fs::exists(kept + "/volumes/box/live"));
  EXPECT_FALSE(fs::exists(kept + "/volumes/.new.half"));
  EXPECT_FALSE(fs::exists(kept + "/jobs/42/-.0.1/output"));
}

TEST_F(StoreRecords, ComeBackWhereTheyAreMissingAndMayBePutBackAgain) {
  const std::string manifest = *read_file(tree_path(newest));
  lose_the_records();
  // Two of each: packs, trees, setup steps with what they read, change sets; three of each volume.
  EXPECT_EQ(put_back().written, 2u + 2 + 4 + 2 + 6);
  EXPECT_EQ(told, "");
  EXPECT_EQ(*read_file(tree_path(newest)), manifest);
  EXPECT_EQ(read("setups/f/7.reads"), "what it read");
  {
    const auto catalog = Catalog::open(store + "/volumes/box");
    ASSERT_TRUE(catalog) << catalog.error().message;
    EXPECT_EQ((*catalog)->count(), 2u);
    EXPECT_EQ((*catalog)->last_number(), 10'003u) << "no number is given twice";
  }
  const PutRecords again = put_back();
  EXPECT_EQ(again.written, 0u);
  EXPECT_EQ(again.different, 0u);
  EXPECT_EQ(told, "");
  // Nor by who was killed at any moment, and calls again: the list is there with the number, or not at all.
  EXPECT_EQ((*Catalog::open(store + "/volumes/box"))->last_number(), 10'003u);
}

// A snapshot was being taken while the list was copied.
TEST_F(StoreRecords, ALineThatWasCutOffIsNotPartOfAList) {
  std::ofstream(store + "/volumes/box/snapshots/log", std::ios::app) << "{\"number\":4,\"tr";
  ASSERT_TRUE(copy_records(store, kept));
  EXPECT_TRUE(read_file(kept + "/volumes/box/snapshots/log")->ends_with("}\n"));
  // One that an earlier devrun has taken may have it.
  std::ofstream(kept + "/volumes/box/snapshots/log", std::ios::app) << "{\"number\":4,\"tr";
  lose_the_records();
  put_back();
  const auto catalog = Catalog::open(store + "/volumes/box");
  ASSERT_TRUE(catalog) << catalog.error().message;
  EXPECT_EQ((*catalog)->count(), 2u);
}

TEST_F(StoreRecords, WhatIsThereStays) {
  put(store + "/volumes/box/volume.json", "{\"name\":\"box\",\"owner\":\"ada\"}");
  put(store + "/jobs/42/-.0.1/changes", "newer");
  const PutRecords done = put_back();
  EXPECT_EQ(done.written, 0u);
  EXPECT_EQ(done.different, 2u);
  EXPECT_NE(told.find("volumes/box/volume.json stays as it is"), std::string::npos) << told;
  EXPECT_EQ(read("jobs/42/-.0.1/changes"), "newer");
}

// A store that is well, of which a backup of long ago knows what was collected since.
TEST_F(StoreRecords, NothingComesBackWhoseFilesWereCollected) {
  fs::remove(body_of('o'));
  fs::remove(tree_path(old));
  fs::remove(store + "/setups/f/6.json");
  fs::remove_all(store + "/jobs/41");
  const PutRecords done = put_back();
  EXPECT_EQ(done.written, 0u);
  EXPECT_EQ(done.collected, 3u);
  EXPECT_FALSE(fs::exists(tree_path(old)));
  EXPECT_FALSE(fs::exists(store + "/setups/f/6.json"));
  EXPECT_FALSE(fs::exists(store + "/jobs/41"));
  // Nor where the rest was lost.
  lose_the_records();
  put_back();
  EXPECT_FALSE(fs::exists(tree_path(old)));
  EXPECT_TRUE(fs::exists(tree_path(newest)));
  EXPECT_TRUE(fs::exists(store + "/jobs/42/-.0.1/changes"));
  const auto catalog = Catalog::open(store + "/volumes/box");
  ASSERT_TRUE(catalog) << catalog.error().message;
  EXPECT_FALSE((*catalog)->at(2));
  EXPECT_TRUE((*catalog)->at(3));
}

TEST_F(StoreRecords, OfAVolumeWhoseFilesAreGoneNothingComesBack) {
  fs::remove_all(store + "/volumes/box");
  const PutRecords done = put_back();
  EXPECT_EQ(done.volumes_gone, 1u);
  EXPECT_NE(told.find("the files of volume 'box' are not in the store"), std::string::npos) << told;
  EXPECT_FALSE(fs::exists(store + "/volumes/box"));
  EXPECT_FALSE(put_records(folder + "/nothing", store, [](std::string_view) {}));
}

}  // namespace
}  // namespace devrun::storage
