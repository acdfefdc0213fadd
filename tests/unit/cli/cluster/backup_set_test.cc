// A backup that was sealed is whole; one of which anything was changed is refused by name.
#include "cli/cluster/backup_set.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>

#include "common/runtime/file.h"

namespace devrun::cluster {
namespace {

namespace fs = std::filesystem;

struct BackupSet : ::testing::Test {
  BackupSet() {
    std::string pattern = "/tmp/devrun-backup-XXXXXX";
    folder = ::mkdtemp(pattern.data());
    put("controller/journal.db", std::string(3'000'000, 'j'));
    put("controller/history.db", "h");
    put("pki/ca.crt", "certificate");
    put("store/volumes/box/volume.json", "{}");
    put("empty", "");
    manifest.taken = Time{12345};
    manifest.next_job = 77;
    manifest.volumes = 1;
    EXPECT_TRUE(seal_backup(folder, manifest));
  }
  ~BackupSet() override { fs::remove_all(folder); }
  void put(const std::string& path, const std::string& bytes) {
    EXPECT_TRUE(make_folders(fs::path(folder + "/" + path).parent_path().string()));
    std::ofstream(folder + "/" + path, std::ios::binary) << bytes;
  }
  void seal_again() {
    for (const char* list : {"SHA256SUMS", "manifest.json"}) fs::remove(folder + "/" + list);
    EXPECT_TRUE(seal_backup(folder, manifest));
  }
  std::string refusal() {
    const auto checked = check_backup(folder);
    return checked ? "" : checked.error().message;
  }
  std::string folder;
  BackupManifest manifest;
};

TEST_F(BackupSet, IsReadAsItWasSealed) {
  const auto checked = check_backup(folder);
  ASSERT_TRUE(checked) << checked.error().message;
  EXPECT_EQ(checked->files, manifest.files);
  EXPECT_EQ(checked->files.size(), 5u);
  EXPECT_EQ(checked->taken, Time{12345});
  EXPECT_EQ(checked->next_job, 77u);
  EXPECT_FALSE(checked->keys);
  EXPECT_EQ(checked->bytes, 3'000'000u + 1 + 11 + 2);
}

TEST_F(BackupSet, OneBitIsSeenAndNamed) {
  std::fstream file(folder + "/controller/journal.db", std::ios::in | std::ios::out);
  file.seekp(2'000'000);
  file.put('k');
  file.close();
  EXPECT_NE(refusal().find("controller/journal.db has other bytes"), std::string::npos);
}

TEST_F(BackupSet, AMissingFileIsNamed) {
  fs::remove(folder + "/pki/ca.crt");
  EXPECT_NE(refusal().find("pki/ca.crt is missing"), std::string::npos);
}

// As a program that was overtaken by another might have left it: what there is of it is as it was.
TEST_F(BackupSet, OneWithoutItsJournalIsNotWhole) {
  for (const char* path : {"controller/history.db", "controller/journal.db", "pki/ca.crt"}) {
    const std::string bytes = *read_file(folder + "/" + path, 4 << 20);
    fs::remove(folder + "/" + path);
    seal_again();
    EXPECT_NE(refusal().find(std::string("it was taken without ") + path), std::string::npos)
        << refusal();
    put(path, bytes);
  }
  manifest.keys = true;
  seal_again();
  EXPECT_NE(refusal().find("without pki/ca.key"), std::string::npos) << refusal();
}

TEST(BackupPlaces, ConfigurationsComeBackToWhereTheyWere) {
  for (const char* file : {"/etc/devrun/controller.yaml", "/etc/devrun/slurm.yaml",
                           "/srv/lab/policy.yaml", "/etc/devrun/more/policy.yaml"}) {
    const std::string place = place_of_configuration(file);
    EXPECT_EQ(configuration_at(place), file) << place;
  }
  EXPECT_EQ(place_of_configuration("/etc/devrun/policy.yaml"), "etc/policy.yaml");
  EXPECT_EQ(place_of_configuration("/srv/lab/../lab/policy.yaml"), "elsewhere/srv/lab/policy.yaml");
  EXPECT_EQ(configuration_at("controller/journal.db"), "");
}

TEST_F(BackupSet, ItsListIsPartOfIt) {
  const std::string text = *read_file(folder + "/SHA256SUMS");
  put("SHA256SUMS", text.substr(0, text.rfind('\n', text.size() - 2) + 1));  // one line less
  EXPECT_NE(refusal().find("names 4 files instead of 5"), std::string::npos) << refusal();
  put("SHA256SUMS", text.substr(0, text.size() - 1));
  EXPECT_NE(refusal().find("a line of SHA256SUMS"), std::string::npos) << refusal();
  put("SHA256SUMS", text.substr(0, 66) + "../../etc/passwd\n");
  EXPECT_NE(refusal().find("a line of SHA256SUMS"), std::string::npos) << refusal();
  put("SHA256SUMS", text);
  put("manifest.json", "{}");
  EXPECT_NE(refusal().find("manifest.json has other bytes"), std::string::npos) << refusal();
  fs::remove(folder + "/SHA256SUMS");
  EXPECT_NE(refusal().find("is no backup"), std::string::npos) << refusal();
}

TEST_F(BackupSet, CopiesHaveTheModeThatIsAskedFor) {
  ASSERT_TRUE(copy_durably(folder + "/pki/ca.crt", folder + "/copy", 0600));
  EXPECT_EQ(fs::status(folder + "/copy").permissions(),
            fs::perms::owner_read | fs::perms::owner_write);
  EXPECT_TRUE(have_same_bytes(folder + "/pki/ca.crt", folder + "/copy"));
  EXPECT_FALSE(have_same_bytes(folder + "/pki/ca.crt", folder + "/empty"));
  EXPECT_FALSE(have_same_bytes(folder + "/pki/ca.crt", folder + "/none"));
}

}  // namespace
}  // namespace devrun::cluster
