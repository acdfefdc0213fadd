#include "agent/sync/flags.h"

#include <gtest/gtest.h>

#include "agent/sync/asked_file.h"
#include "common/runtime/file.h"
#include "tests/unit/agent/sync/temporary_folder.h"

namespace devrun::agent {
namespace {

std::vector<std::string> least(std::vector<std::string> more) {
  std::vector<std::string> words = {"--name",      "n",    "--state", "/s",     "--controller",
                                    "127.0.0.1:1", "--ca", "a",       "--cert", "c",
                                    "--key",       "k",    "--shim",  "s"};
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

TEST(Flags, TakesAll) {
  const Result<Flags> flags = parse_flags(
      least({"--fs", "/f", "--cpus", "1.5", "--memory", "2G", "--pool", "a", "--pool", "b"}));
  ASSERT_TRUE(flags.has_value()) << flags.error().message;
  EXPECT_EQ(flags->cpu_milli, 1500);
  EXPECT_EQ(flags->memory_bytes, int64_t{2} << 30);
  EXPECT_EQ(flags->pools, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(flags->controller, "127.0.0.1:1");
}

TEST(Flags, OfANodeInAnAllocation) {
  const Result<Flags> flags =
      parse_flags(least({"--fs", "/f", "--gpu-device", "0", "--gpu-device", "GPU-5f",
                         "--leave-on-stop", "20s", "--leaves-at", "1790000000"}));
  ASSERT_TRUE(flags.has_value()) << flags.error().message;
  EXPECT_EQ(flags->leaves, Time{1'790'000'000'000'000});
  for (const char* bad : {"soon", "0", "-1", "99999999999999999"}) {
    EXPECT_FALSE(parse_flags(least({"--fs", "/f", "--leaves-at", bad}))) << bad;
  }
  EXPECT_EQ(flags->gpu_devices, (std::vector<std::string>{"0", "GPU-5f"}));
  EXPECT_EQ(flags->leave_grace, seconds(20));
}

TEST(Flags, SiteMountsSayWhoseIdsCount) {
  const Result<Flags> flags = parse_flags(
      least({"--fs", "/f", "--site-mount", "/a:/b", "--site-mount", "/a:/b:ro", "--site-mount",
             "/a:/b:ro:mapped-ids", "--site-mount", "/a:/b:container-ids"}));
  ASSERT_TRUE(flags.has_value()) << flags.error().message;
  const auto& mounts = flags->site_mounts;
  using Ids = sandbox::SiteMount::Ids;
  EXPECT_TRUE(mounts[0].ids == Ids::kUser && !mounts[0].read_only);
  EXPECT_TRUE(mounts[1].ids == Ids::kUser && mounts[1].read_only);
  EXPECT_TRUE(mounts[2].ids == Ids::kMapped && mounts[2].read_only);
  EXPECT_TRUE(mounts[3].ids == Ids::kContainer && !mounts[3].read_only);
  EXPECT_EQ(mounts[3].target, "/b");
  EXPECT_FALSE(parse_flags(least({"--fs", "/f", "--site-mount", "/a:/b:other-ids"})));
}

TEST(Flags, SaysWhatIsWrong) {
  const auto message = [](std::vector<std::string> more) {
    const Result<Flags> flags = parse_flags(least(std::move(more)));
    return flags ? std::string("taken") : flags.error().message;
  };
  EXPECT_EQ(message({}), "--fs, devrun-fs's socket, is missing");
  EXPECT_EQ(message({"--dev-containers"}),
            "--dev-containers needs --live, the folder of the volumes");
  EXPECT_EQ(message({"--fast"}), "unknown flag --fast");
  EXPECT_EQ(message({"--fs"}), "--fs needs a value");
  EXPECT_EQ(message({"--cpus", "two"}), "--cpus two: expected a number of cores, as 4 or 0.5");
  EXPECT_EQ(parse_flags({"--fs", "/f"}).error().message, "--name is missing");
}

TEST(AskedFile, IsWhatWasWritten) {
  const TemporaryFolder folder;
  EXPECT_EQ(*read_asked(folder.path()), Asked{});
  for (const Asked& asked : {Asked{3, {}}, Asked{4, EndCause::kTimedOut}}) {
    ASSERT_TRUE(write_asked(folder.path(), asked).has_value());
    EXPECT_EQ(*read_asked(folder.path()), asked);
  }
  ASSERT_TRUE(write_file_atomically(folder.path() + "/asked", "nonsense").has_value());
  EXPECT_EQ(read_asked(folder.path()).error().code, Code::kCorrupt);
}

}  // namespace
}  // namespace devrun::agent
