// Records of a store: copied, lost, and put back where there is nothing, and nowhere else.
#include "controller/storage/store_records.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>

#include "common/runtime/file.h"
#include "controller/storage/catalog.h"

namespace devrun::storage {
namespace {

namespace fs = std::filesystem;

struct StoreRecords : ::testing::Test {
  StoreRecords() {
    std::string pattern = "/tmp/devrun-records-XXXXXX";
    folder = ::mkdtemp(pattern.data());
    store = folder + "/store";
    kept = folder + "/kept";
    for (const char* volume : {"box", ".removed/old.17"}) {
      const std::string path = store + "/volumes/" + volume;
      put(path + "/volume.json", "{\"name\":\"box\"}");
      put(path + "/newest.json", "{}");
      put(path + "/live/root/file", "of a user");
      const auto catalog = Catalog::open(path);
      EXPECT_TRUE(catalog);
      SnapshotRecord record;
      record.number = 3;
      record.tree.bytes[0] = 7;
      EXPECT_TRUE((*catalog)->add({&record, 1}));
    }
    put(store + "/volumes/.new.half/volume.json", "{}");
    put(store + "/export/trees/ab/abcd", "a tree");
    put(store + "/export/packs/ef/ef01", std::string(3'000'000, 'p'));
    put(store + "/export/content/00/body", "bytes of a file");
    put(store + "/setups/f/7.json", "{}");
    put(store + "/jobs/42/-.0.1/changes", "{}");
    put(store + "/jobs/42/-.0.1/output", "said");
    const auto copied = copy_records(store, kept);
    EXPECT_TRUE(copied) << copied.error().message;
    EXPECT_EQ(*copied, 2u);
  }
  ~StoreRecords() override { fs::remove_all(folder); }
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
};

TEST_F(StoreRecords, HaveNoBytesOfFilesNorOutput) {
  EXPECT_TRUE(fs::exists(kept + "/export/packs/ef/ef01"));
  EXPECT_TRUE(fs::exists(kept + "/volumes/.removed/old.17/snapshots/log"));
  EXPECT_FALSE(fs::exists(kept + "/export/content"));
  EXPECT_FALSE(fs::exists(kept + "/volumes/box/live"));
  EXPECT_FALSE(fs::exists(kept + "/volumes/.new.half"));
  EXPECT_FALSE(fs::exists(kept + "/jobs/42/-.0.1/output"));
}

TEST_F(StoreRecords, ComeBackWhereTheyAreMissingAndMayBePutBackAgain) {
  const std::string pack = read("export/packs/ef/ef01");
  for (const char* path : {"volumes/box/volume.json", "volumes/box/newest.json",
                           "volumes/box/snapshots/log", "export/trees/ab/abcd",
                           "export/packs/ef/ef01", "setups/f/7.json", "jobs/42/-.0.1/changes"}) {
    ASSERT_TRUE(fs::remove(store + "/" + path)) << path;
  }
  EXPECT_EQ(put_back().written, 7u);
  EXPECT_EQ(told, "");
  EXPECT_EQ(read("export/packs/ef/ef01"), pack);
  EXPECT_EQ(read("export/trees/ab/abcd"), "a tree");
  const auto catalog = Catalog::open(store + "/volumes/box");
  ASSERT_TRUE(catalog) << catalog.error().message;
  EXPECT_TRUE((*catalog)->at(3));
  EXPECT_EQ((*catalog)->last_number(), 10'003u) << "no number is given twice";
  const PutRecords again = put_back();
  EXPECT_EQ(again.written, 0u);
  EXPECT_EQ(again.different, 1u) << "the list, which has another line now";
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
