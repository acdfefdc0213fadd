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

TEST(SshKey, OpenSshReadsAHostsCertificate) {
  if (!std::filesystem::exists("/usr/bin/ssh-keygen")) GTEST_SKIP() << "no ssh-keygen here";
  const std::string authority(32, 'a'), host(32, 'h'), nonce(32, 'n');
  const std::string path = std::filesystem::temp_directory_path() / "devrun_ssh_cert_test.pub";
  const auto made =
      ssh_host_certificate({authority, host, nonce, "ada.devrun", 1'700'000'000, 1'700'000'600});
  ASSERT_TRUE(made);
  std::ofstream(path) << *made;
  const auto said = run_child({"/usr/bin/ssh-keygen", "-L", "-f", path});
  std::filesystem::remove(path);
  ASSERT_TRUE(said);
  // It says so of none whose signature is wrong.
  EXPECT_EQ(said->exit_status, 0) << said->out;
  for (const char* part : {"ssh-ed25519-cert-v01@openssh.com host certificate", "ada.devrun",
                           "Signing CA: ED25519", "Valid: from 2023-11-14T"}) {
    EXPECT_NE(said->out.find(part), std::string::npos) << part << " in " << said->out;
  }
}

}  // namespace
}  // namespace devrun
