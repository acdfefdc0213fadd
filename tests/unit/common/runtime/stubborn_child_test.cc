// Programs that may hang: what they say, how they end, and that nobody waits for one without a limit.
#include "common/runtime/stubborn_child.h"

#include <gtest/gtest.h>
#include <sys/file.h>

#include "common/runtime/boot_clock.h"
#include "common/runtime/file.h"

namespace devrun {
namespace {

std::vector<std::string> sh(const std::string& script) {
  return {"/bin/sh", "-c", script};
}

std::unique_ptr<StubbornChild> start(const std::string& script,
                                     StubbornChild::Options options = {}) {
  auto child = StubbornChild::start(sh(script), options);
  EXPECT_TRUE(child) << child.error().message;
  return child ? std::move(*child) : nullptr;
}

TEST(StubbornChild, ItsLinesAndItsStatus) {
  const auto child = start("echo one; printf two >&2; exit 7");
  std::vector<std::string> lines;
  while (child->read(seconds(10), [&](std::string_view line) { lines.emplace_back(line); })) {
  }
  EXPECT_EQ(lines, (std::vector<std::string>{"one", "two"}));
  EXPECT_EQ(child->ended(seconds(10)), 7);
  EXPECT_EQ(child->ended(), 7) << "also when asked again";
  EXPECT_EQ(StubbornChild::start({"/no/such/program"}, {}).error().code, Code::kNotFound);
}

// 8 GPUs with many processes each are more than 64 KiB.
TEST(StubbornChild, LinesMayBeLong) {
  const auto child = start("head -c 300000 /dev/zero | tr '\\0' x; echo");
  size_t longest = 0;
  const auto note = [&](std::string_view line) { longest = std::max(longest, line.size()); };
  while (child->read(seconds(10), note)) {
  }
  EXPECT_EQ(longest, 300'000u);
}

TEST(StubbornChild, OneThatGoesOnIsAskedWithinALimit) {
  const Time began = boot_clock();
  const auto child = start("trap '' TERM INT; while :; do sleep 60; done");
  EXPECT_TRUE(child->read(milliseconds(50), [](std::string_view) {}));
  EXPECT_FALSE(child->ended(milliseconds(50)));
  child->kill();
  EXPECT_EQ(child->ended(seconds(10)), 128 + 9);
  EXPECT_LT(boot_clock() - began, seconds(10));
}

TEST(StubbornChild, ALockIsHeldForAsLongAsItIsThere) {
  const std::string path = "/tmp/devrun-held-" + std::to_string(::getpid());
  const auto is_free = [&] {
    const auto other = open_file(path, O_RDWR | O_CREAT, 0600);
    return ::flock(other->get(), LOCK_EX | LOCK_NB) == 0;
  };
  std::unique_ptr<StubbornChild> child;
  {
    const auto lock = open_file(path, O_RDWR | O_CREAT, 0600);
    ASSERT_TRUE(lock);
    ASSERT_EQ(::flock(lock->get(), LOCK_EX | LOCK_NB), 0);
    child = start("exec sleep 1000", {.held = lock->get()});
  }
  EXPECT_FALSE(is_free());
  child->kill();
  EXPECT_TRUE(child->ended(seconds(10)));
  EXPECT_TRUE(is_free());
  ::unlink(path.c_str());
}

TEST(RunWithin, ToTheEndOrNot) {
  std::unique_ptr<StubbornChild> left;
  const auto done = run_within(seconds(10), sh("echo yes"), {}, left);
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(*done, "yes\n");
  const auto failed = run_within(seconds(10), sh("echo why; exit 3"), {}, left);
  EXPECT_EQ(failed.error().code, Code::kIo);
  EXPECT_NE(failed.error().message.find("status 3: why"), std::string::npos);
  const auto late = run_within(milliseconds(100), sh("exec sleep 1000"), {}, left);
  EXPECT_EQ(late.error().code, Code::kUnavailable);
  EXPECT_FALSE(left) << "it could be killed";
}

}  // namespace
}  // namespace devrun
