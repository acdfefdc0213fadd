#include "common/runtime/ssh_key.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "common/runtime/child.h"

namespace devrun {
namespace {

TEST(SshKey, AreOneWithTheirSeed) {
  const SshKey key = *ssh_key_of(std::string(32, 'a'), "x");
  EXPECT_EQ(key.public_key, ssh_key_of(std::string(32, 'a'), "x")->public_key);
  EXPECT_NE(key.public_key, ssh_key_of(std::string(32, 'b'), "x")->public_key);
  EXPECT_TRUE(key.public_key.starts_with("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI"));
  EXPECT_FALSE(ssh_key_of("short", "x"));
}

TEST(SshKey, OpenSshReadsThePrivateKey) {
  if (!std::filesystem::exists("/usr/bin/ssh-keygen")) GTEST_SKIP() << "no ssh-keygen here";
  const SshKey key = *ssh_key_of(std::string(32, 'a'), "devrun-1");
  const std::string path = std::filesystem::temp_directory_path() / "devrun_ssh_key_test";
  std::ofstream(path) << key.private_key;
  ::chmod(path.c_str(), 0600);
  const auto said = run_child({"/usr/bin/ssh-keygen", "-y", "-f", path});
  std::filesystem::remove(path);
  ASSERT_TRUE(said);
  EXPECT_EQ(said->out, key.public_key + " devrun-1\n");
}

}  // namespace
}  // namespace devrun
