// A limit to what an attempt writes: a real file system in a file.
#include "common/runtime/file.h"
#include "tests/unit/agent/sandbox/host.h"

namespace devrun::sandbox {
namespace {

constexpr int64_t kScratch = 32 << 20;

class Scratch : public testing::Test {
 protected:
  void SetUp() override {
    ground_ = host_.ground();
    ground_.options.scratch_bytes = kScratch;
    Result<std::unique_ptr<Sandboxes>> opened = open_sandboxes(ground_, all_steps());
    ASSERT_TRUE(opened) << opened.error().message;
    sandboxes_ = std::move(*opened);
  }
  void run(const AttemptSpec& spec) {
    const Status started = sandboxes_->start(spec, "", Time{1}, {});
    ASSERT_TRUE(started) << started.error().message;
    ASSERT_TRUE(
        eventually([&] { return read_file(sandboxes_->folder(spec.key) + "/exit").has_value(); }));
  }
  Time much_later() const { return Time{wall_clock().us + ground_.options.upper_kept.us + 1}; }
  std::string out(const AttemptSpec& spec) { return stream_of(sandboxes_->folder(spec.key), 1); }
  std::string err(const AttemptSpec& spec) { return stream_of(sandboxes_->folder(spec.key), 2); }

  Host host_;
  Ground ground_;
  std::unique_ptr<Sandboxes> sandboxes_;
};

TEST_F(Scratch, WritingMoreThanTheLimitIsAFullDisk) {
  for (const char* folder : {"/home", "/tmp", "/var/tmp"}) {
    const AttemptSpec spec = host_.shell(std::string("dd if=/dev/zero bs=1M count=100 of=") +
                                         folder + "/big; echo $?; rm " + folder +
                                         "/big; echo small > " + folder + "/small && echo again");
    run(spec);
    EXPECT_EQ(out(spec), "1\nagain\n") << folder;
    EXPECT_NE(err(spec).find("No space left on device"), std::string::npos) << err(spec);
    ASSERT_TRUE(sandboxes_->settle_written(spec.key));
    ASSERT_TRUE(sandboxes_->release(spec.key));
  }
  ASSERT_TRUE(sandboxes_->collect(much_later()));
  EXPECT_TRUE(host_.mounts_below().empty());
}

TEST_F(Scratch, WhatWasWrittenIsKeptAndThenGoesWithItsFileSystem) {
  const AttemptSpec spec = host_.shell("echo kept > /home/file");
  run(spec);
  const auto wrote = sandboxes_->written(spec.key);
  ASSERT_TRUE(wrote) << wrote.error().message;
  EXPECT_EQ(wrote->files, 1U);
  ASSERT_TRUE(sandboxes_->settle_written(spec.key));
  ASSERT_TRUE(sandboxes_->release(spec.key));
  const std::string folder = sandboxes_->folder(spec.key);
  EXPECT_EQ(*read_file(folder + "/upper/home/file"), "kept\n");
  ASSERT_TRUE(sandboxes_->collect(much_later()));
  EXPECT_FALSE(std::filesystem::exists(folder));
  EXPECT_TRUE(host_.mounts_below().empty());
}

TEST_F(Scratch, WithoutRoomForItNothingStarts) {
  ground_.options.scratch_bytes = int64_t{1} << 50;
  sandboxes_ = std::move(*open_sandboxes(ground_, all_steps()));
  const AttemptSpec spec = host_.shell("true");
  const Status started = sandboxes_->start(spec, "", Time{1}, {});
  ASSERT_FALSE(started);
  EXPECT_NE(started.error().message.find("of disk space for what the job writes"),
            std::string::npos)
      << started.error().message;
  ASSERT_TRUE(sandboxes_->release(spec.key));
  EXPECT_TRUE(host_.mounts_below().empty());
}

}  // namespace
}  // namespace devrun::sandbox
