#include "cli/client/ssh_keys.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <thread>

#include "common/runtime/file.h"

namespace devrun::cli {
namespace {

class SshKeysTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = std::filesystem::temp_directory_path() / "devrun-ssh-keys.XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    home_ = pattern;
    folder_ = home_ + "/.config/devrun/ssh";
  }
  void TearDown() override { std::filesystem::remove_all(home_); }

  mode_t mode_of(const std::string& name) {
    struct stat st {};
    EXPECT_EQ(::stat((folder_ + name).c_str(), &st), 0) << name;
    return st.st_mode & 07777;
  }

  std::string home_, folder_;
};

TEST_F(SshKeysTest, AreMadeOnce) {
  const auto none = load_ssh_keys(folder_);
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code, Code::kNotFound);
  EXPECT_EQ(none.error().hint, "devrun ssh-config --write");
  const SshKeys keys = *make_ssh_keys(folder_);
  EXPECT_NE(keys.user.public_key, keys.authority);
  EXPECT_EQ(make_ssh_keys(folder_)->user.public_key, keys.user.public_key);
  EXPECT_EQ(load_ssh_keys(folder_)->authority, keys.authority);
  const std::string known = "@cert-authority *.devrun " + keys.authority + "\n";
  EXPECT_EQ(*read_file(folder_ + "/known_hosts"), known);
  ASSERT_TRUE(write_file_atomically(folder_ + "/known_hosts", "*.devrun ssh-ed25519 AAAA\n"));
  ASSERT_TRUE(load_ssh_keys(folder_));
  EXPECT_EQ(*read_file(folder_ + "/known_hosts"), known) << "an earlier version's is put right";
  EXPECT_EQ(*read_file(folder_ + "/id_ed25519"), keys.user.private_key);
  EXPECT_EQ(mode_of("/secret"), 0600u);
  EXPECT_EQ(mode_of("/id_ed25519"), 0600u);
  EXPECT_EQ(mode_of(""), 0700u);
}

TEST_F(SshKeysTest, AreTheSameForAllThatMakeThemAtOnce) {
  std::vector<std::thread> threads;
  std::vector<std::string> keys(8);
  ASSERT_TRUE(make_folders(folder_, 0700));
  for (std::string& key : keys) {
    threads.emplace_back([&] {
      if (const auto made = make_ssh_keys(folder_)) key = made->user.public_key;
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const std::string& key : keys) EXPECT_EQ(key, keys[0]);
  EXPECT_FALSE(keys[0].empty());
}

// What goes into containers says nothing of the next connection's.
TEST_F(SshKeysTest, EachConnectionHasAHostKeyOfItsOwn) {
  const SshKeys keys = *make_ssh_keys(folder_);
  const SshHostKey one = *new_host_key(keys, "ada.devrun", Time{1});
  const SshHostKey other = *new_host_key(keys, "ada.devrun", Time{1});
  EXPECT_NE(one.private_key, other.private_key);
  EXPECT_NE(one.certificate, other.certificate);
  EXPECT_TRUE(one.certificate.starts_with("ssh-ed25519-cert-v01@openssh.com "));
}

TEST_F(SshKeysTest, WhatIsNoSecretIsSaid) {
  ASSERT_TRUE(make_folders(folder_, 0700));
  ASSERT_TRUE(write_file_atomically(folder_ + "/secret", "hello\n"));
  EXPECT_EQ(make_ssh_keys(folder_).error().code, Code::kCorrupt);
  EXPECT_EQ(*read_file(folder_ + "/secret"), "hello\n");
}

TEST_F(SshKeysTest, LieInTheHome) {
  EXPECT_EQ(*ssh_folder({.environment = {"HOME=/home/ada"}}), "/home/ada/.config/devrun/ssh");
  EXPECT_FALSE(ssh_folder({}));
}

}  // namespace
}  // namespace devrun::cli
