// Who leaves waits for no call: those under way end, and later ones at once.
#include <gtest/gtest.h>

#include "cli/client/controller.h"
#include "tests/unit/cli/client/fake_controller.h"

namespace devrun::cli {
namespace {

TEST(OpenCalls, WhatIsUnderWayEndsAndWhatComesLaterToo) {
  FakeController fake;
  Controller controller(fake.target());
  const auto stream = controller.attach({{42, kNoTask, 0, 1}, 0, false});
  ASSERT_TRUE(
      fake.wait_until([](const FakeController::Job& job) { return job.attached_now == 1; }));
  ASSERT_TRUE(stream->read()) << "the state, and then nothing more comes";
  std::thread leaving([&] { controller.cancel_calls(); });
  while (stream->read()) {
  }
  leaving.join();
  EXPECT_EQ(stream->finish().error().code, Code::kCancelled);
  EXPECT_EQ(controller.list_volumes().error().code, Code::kCancelled);
  const auto later = controller.attach({{42, kNoTask, 0, 1}, 0, false});
  EXPECT_FALSE(later->read());
  EXPECT_EQ(later->finish().error().code, Code::kCancelled);
}

TEST(OpenCalls, OfOneControllerAlone) {
  FakeController fake;
  Controller controller(fake.target());
  Controller other(fake.target());
  controller.cancel_calls();
  EXPECT_TRUE(other.list_volumes().has_value());
}

}  // namespace
}  // namespace devrun::cli
