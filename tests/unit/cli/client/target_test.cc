// Where the controller is looked for, and the configuration file.
#include "cli/client/target.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "cli/client/config.h"

namespace devrun::cli {
namespace {

class FindTarget : public testing::Test {
 protected:
  FindTarget() {
    char name[] = "/tmp/devrun-cli-test-XXXXXX";
    folder_ = ::mkdtemp(name);
    here_.socket = folder_ + "/no-socket";
    here_.admin_config = folder_ + "/no-config";
  }
  ~FindTarget() override { std::filesystem::remove_all(folder_); }

  std::string write(const std::string& name, const std::string& text) {
    const std::string path = folder_ + "/" + name;
    std::filesystem::create_directories(std::filesystem::path(path).parent_path());
    std::ofstream(path) << text;
    return path;
  }
  void write_identity() {
    write("ca.pem", "CA");
    write("me.pem", "CERT");
    write("me.key", "KEY");
  }

  std::string folder_;
  Surroundings here_;
};

constexpr const char* kConfig =
    "controller: 10.0.0.1:7443\nca: ca.pem\ncert: me.pem\nkey: me.key\nvolume: ada\n";

TEST_F(FindTarget, NothingKnown) {
  const auto target = find_target(here_);
  ASSERT_FALSE(target);
  EXPECT_EQ(target.error().message,
            "no controller is known: neither $DEVRUN_CONTROLLER, nor /run/devrun/socket, nor "
            "`controller:` in the file that $DEVRUN_CONFIG names or in "
            "~/.config/devrun/config.yaml");
  EXPECT_EQ(
      target.error().hint,
      "devrun login HOST:7444 TOKEN, as an administrator's `devrun user add` prints it; for a "
      "cluster on this machine: devrun up; of one elsewhere: export "
      "DEVRUN_CONFIG=DIR/config.yaml");
}

TEST_F(FindTarget, UnixSocketOfTheEnvironment) {
  here_.environment = {"DEVRUN_CONTROLLER=unix:/run/x", "DEVRUN_VOLUME=bob"};
  const auto target = find_target(here_);
  ASSERT_TRUE(target);
  EXPECT_EQ(target->address, "unix:/run/x");
  EXPECT_TRUE(target->through_socket);
  EXPECT_EQ(target->volume, "bob");
}

TEST_F(FindTarget, SocketOfTheContainerBeforeTheFile) {
  here_.socket = write("socket", "");
  here_.environment = {"DEVRUN_CONFIG=" + write("config.yaml", kConfig)};
  EXPECT_EQ(find_target(here_)->address, "unix:" + here_.socket);
}

TEST_F(FindTarget, FileOfTheUser) {
  write("home/.config/devrun/config.yaml",
        "controller: localhost:1\nca: /" + folder_ +
            "/ca.pem\ncert: ../../../me.pem\nkey: ../../../me.key\n");
  write_identity();
  here_.environment = {"HOME=" + folder_ + "/home"};
  const auto target = find_target(here_);
  ASSERT_TRUE(target) << target.error().message;
  EXPECT_EQ(target->address, "ipv4:127.0.0.1:1");
  EXPECT_EQ(target->certificate, "CERT");
  EXPECT_EQ(target->volume, "");
}

TEST_F(FindTarget, EnvironmentWithTheFilesCertificates) {
  write_identity();
  here_.environment = {"DEVRUN_CONFIG=" + write("config.yaml", kConfig),
                       "DEVRUN_CONTROLLER=host.example:99"};
  const auto target = find_target(here_);
  ASSERT_TRUE(target) << target.error().message;
  EXPECT_EQ(target->address, "dns:///host.example:99");
  EXPECT_EQ(target->key, "KEY");
  EXPECT_EQ(target->volume, "ada");
}

TEST_F(FindTarget, FileOfTheAdministrator) {
  write_identity();
  here_.admin_config = write("config.yaml", kConfig);
  EXPECT_EQ(find_target(here_)->address, "ipv4:10.0.0.1:7443");
}

TEST_F(FindTarget, ANamedFileMustBeThere) {
  here_.environment = {"DEVRUN_CONFIG=/nonexistent/c.yaml"};
  EXPECT_EQ(find_target(here_).error().message,
            "$DEVRUN_CONFIG names /nonexistent/c.yaml, which is not there");
}

TEST_F(FindTarget, MissingCertificate) {
  here_.environment = {"DEVRUN_CONFIG=" + write("config.yaml", "controller: h:1\n")};
  EXPECT_EQ(find_target(here_).error().message,
            "the configuration does not say `ca`, the path of a PEM file");
}

TEST(GrpcAddress, Forms) {
  EXPECT_EQ(*grpc_address("127.0.0.2:5"), "ipv4:127.0.0.2:5");
  EXPECT_EQ(*grpc_address("[::1]:5"), "ipv6:[::1]:5");
  EXPECT_EQ(*grpc_address("name:5"), "dns:///name:5");
  for (const char* bad : {"name", ":5", "name:", "name:0", "name:x", "name:99999", "a:b:5", ""}) {
    EXPECT_FALSE(grpc_address(bad)) << bad;
  }
}

TEST(Config, UnknownKeyWithItsLineAndTheNearest) {
  const auto config = parse_config("controller: h:1\nvolum: x\n", "/etc/c.yaml");
  ASSERT_FALSE(config);
  EXPECT_EQ(config.error().message, "/etc/c.yaml:2: unknown key 'volum'");
  EXPECT_EQ(config.error().hint, "'volume'");
  EXPECT_EQ(parse_config("x: 1\n", "c").error().hint, "one of: controller, ca, cert, key, volume");
}

TEST(Config, OtherMistakes) {
  EXPECT_TRUE(parse_config("", "c"));
  EXPECT_TRUE(parse_config("# nothing\n", "c"));
  EXPECT_EQ(parse_config("- a\n", "c").error().message,
            "c:1: expected `key: value` lines such as `controller: HOST:PORT`");
  EXPECT_EQ(parse_config("ca: [a, b]\n", "c").error().message, "c:1: 'ca' should be one word");
  EXPECT_FALSE(parse_config("controller: [h\n", "c"));
  EXPECT_FALSE(parse_config("a: b: c\n", "c"));
}

TEST(Config, PathsAreRelativeToTheFile) {
  const auto config = parse_config("ca: ca.pem\ncert: /abs/c.pem\n", "/etc/devrun/c.yaml");
  EXPECT_EQ(config->ca_path, "/etc/devrun/ca.pem");
  EXPECT_EQ(config->cert_path, "/abs/c.pem");
}

}  // namespace
}  // namespace devrun::cli
