#include "common/runtime/seal.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>

#include "common/runtime/file.h"

namespace devrun {
namespace {

struct Folder {
  std::string path;
  Folder() {
    std::string pattern = std::filesystem::temp_directory_path() / "devrun-seal-XXXXXX";
    path = ::mkdtemp(pattern.data());
  }
  ~Folder() { std::filesystem::remove_all(path); }
};

TEST(Seal, WhatWasSealedOpensUnderTheSameKeyAlone) {
  const Folder folder;
  const Sealer sealer = *Sealer::open(folder.path + "/key");
  const std::string clear = std::string("TOKEN=abc\0", 10);
  const std::string sealed = *sealer.seal(clear);
  EXPECT_EQ(sealed.find("abc"), std::string::npos);
  EXPECT_NE(sealed, *sealer.seal(clear)) << "nonces differ";
  EXPECT_EQ(*Sealer::open(folder.path + "/key")->unseal(sealed), clear);
  EXPECT_EQ(Sealer::open(folder.path + "/other")->unseal(sealed).error().code, Code::kCorrupt);
  struct stat found {};
  ASSERT_EQ(::stat((folder.path + "/key").c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 07777, 0600u);
}

TEST(Seal, EveryChangedByteIsNoticed) {
  const Folder folder;
  const Sealer sealer = *Sealer::open(folder.path + "/key");
  const std::string sealed = *sealer.seal("x");
  for (size_t i = 0; i < sealed.size(); ++i) {
    std::string changed = sealed;
    changed[i] = static_cast<char>(changed[i] ^ 1);
    EXPECT_FALSE(sealer.unseal(changed)) << i;
    EXPECT_FALSE(sealer.unseal(sealed.substr(0, i))) << i;
  }
  EXPECT_EQ(*sealer.unseal(*sealer.seal("")), "");
}

TEST(Seal, AKeyOfTheWrongSizeIsRefused) {
  const Folder folder;
  ASSERT_TRUE(write_file_atomically(folder.path + "/key", "short", 0600));
  EXPECT_EQ(Sealer::open(folder.path + "/key").error().code, Code::kCorrupt);
}

}  // namespace
}  // namespace devrun
