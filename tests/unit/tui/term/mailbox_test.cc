// Events wait for the loop, and those who post wait once there are enough.
#include "tui/term/mailbox.h"

#include <gtest/gtest.h>
#include <poll.h>

#include <atomic>
#include <thread>

namespace devrun::tui {
namespace {

Pushed rows(size_t count) {
  Pushed out;
  out.jobs.resize(count);
  return out;
}

bool readable(const Mailbox& box) {
  pollfd one{box.descriptor(), POLLIN, 0};
  return ::poll(&one, 1, 0) == 1;
}

TEST(Mailbox, GivesInOrderWhatWasPosted) {
  Mailbox box;
  EXPECT_FALSE(readable(box));
  box.post(Resized{1, 2});
  box.post(rows(3));
  EXPECT_TRUE(readable(box));
  const auto events = box.take();
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(std::get<Resized>(events[0]).columns, 2);
  EXPECT_FALSE(readable(box));
}

TEST(Mailbox, LittlePilesUpWhileNobodyTakes) {
  Mailbox box;
  std::atomic<size_t> posted = 0;
  std::thread feed([&] {
    for (int i = 0; i < 100; ++i) {
      box.post(rows(1000));
      ++posted;
    }
  });
  size_t taken = 0;
  while (taken < 100) {
    pollfd one{box.descriptor(), POLLIN, 0};
    ASSERT_EQ(::poll(&one, 1, 10'000), 1);
    const auto events = box.take();
    EXPECT_LE(events.size(), kPostedWeightMax / 1000);
    taken += events.size();
  }
  feed.join();
  EXPECT_EQ(posted, 100u);
}

TEST(Mailbox, OneThatIsTooHeavyGoesInAlone) {
  Mailbox box;
  box.post(rows(kPostedWeightMax * 2));
  std::thread feed([&] { box.post(Ticked{}); });
  EXPECT_EQ(box.take().size(), 1u);
  feed.join();
  EXPECT_EQ(box.take().size(), 1u);
}

TEST(Mailbox, ClosingLetsThoseGoWhoWait) {
  Mailbox box;
  box.post(rows(kPostedWeightMax));
  std::thread feed([&] { box.post(rows(kPostedWeightMax)); });
  box.close();
  feed.join();
  box.post(Ticked{});
  EXPECT_EQ(box.take().size(), 1u) << "what came before";
}

TEST(Mailbox, OutputWeighsByItsBytes) {
  EXPECT_EQ(weight_of(LogBytes{{}, std::string(100'000, 'x'), false}), 1001u);
  EXPECT_EQ(weight_of(Ticked{}), 1u);
}

}  // namespace
}  // namespace devrun::tui
