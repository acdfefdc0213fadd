// Series stay bounded and tell what was; idle GPUs are counted from when they fell idle.
#include "controller/metrics/sample_book.h"

#include <gtest/gtest.h>

namespace devrun::controller {
namespace {

constexpr AttemptKey kKey{7, kNoTask, 0, 1};

NodeSample sample(uint32_t cpu_permille, uint32_t gpu_percent) {
  NodeSample out;
  out.node = "node1";
  out.cpu_permille = cpu_permille;
  out.gpus = {{0, gpu_percent, 1 << 20, 2 << 20}};
  AttemptSample attempt;
  attempt.key = kKey;
  attempt.cpu_milli = 2 * cpu_permille;
  attempt.gpus = 1;
  attempt.gpu_busy_percent = gpu_percent;
  out.attempts = {attempt};
  return out;
}

Time at(int64_t second) {
  return Time{seconds(1'000'000 + second).us};
}

TEST(WideningSeries, KeepsAllOfALifeInBoundedRoom) {
  WideningSeries series(seconds(2), 8);
  for (uint32_t i = 0; i < 1000; ++i) series.add({i, 0, 0, 0});
  EXPECT_LT(series.points().size(), 8u);
  EXPECT_GE(series.points().size(), 4u);
  // The points together cover everything, in order.
  EXPECT_LT(series.points().front().cpu_milli, 200u);
  for (size_t i = 1; i < series.points().size(); ++i) {
    EXPECT_LT(series.points()[i - 1].cpu_milli, series.points()[i].cpu_milli);
  }
  const int64_t covered = series.step().us * static_cast<int64_t>(series.points().size());
  EXPECT_LE(covered, seconds(2000).us);
  EXPECT_GT(covered + series.step().us, seconds(2000).us);
}

TEST(SampleBook, FoldsTheNewestEveryTwoSeconds) {
  SampleBook book;
  for (int second = 0; second < 10; ++second) {
    book.tell(sample(static_cast<uint32_t>(second) * 10, 50), at(second));
    book.fold(at(second));
  }
  const auto series = book.node_series("", false, 0);
  ASSERT_EQ(series.size(), 1u);
  EXPECT_EQ(series[0].name, "node1");
  ASSERT_EQ(series[0].points.size(), 5u);
  EXPECT_EQ(series[0].points[1].cpu_milli, 20u);
  EXPECT_EQ(series[0].points[1].gpu_percent, 50u);
  const auto of_job = book.job_series(7, 2);
  ASSERT_TRUE(of_job.has_value());
  ASSERT_EQ(of_job->points.size(), 2u);
  EXPECT_EQ(of_job->points[1].cpu_milli, 160u);
  EXPECT_TRUE(of_job->has_gpus);
  EXPECT_FALSE(book.job_series(8, 0).has_value());
}

TEST(SampleBook, ANodeThatFallsSilentUsesNothing) {
  SampleBook book;
  book.tell(sample(500, 0), at(0));
  for (int second = 0; second <= 40; second += 2) book.fold(at(second));
  EXPECT_EQ(book.node_series("node1", false, 1)[0].points[0].cpu_milli, 0u);
  EXPECT_TRUE(book.newest(at(40)).empty());
  EXPECT_TRUE(book.node_series("node2", false, 0).empty());
}

TEST(SampleBook, TimeInWhichNothingWasToldIsAGap) {
  SampleBook book;
  const auto tell_upto = [&](int from, int to) {
    for (int second = from; second < to; second += 2) {
      book.tell(sample(400, 10), at(second));
      book.fold(at(second));
    }
  };
  tell_upto(0, 10);
  for (int second = 10; second < 70; second += 2) book.fold(at(second));
  tell_upto(70, 80);
  const auto of_node = book.node_series("node1", false, 0)[0].points;
  ASSERT_EQ(of_node.size(), 40u);
  EXPECT_EQ(of_node[20], Load{});
  EXPECT_EQ(of_node[39].cpu_milli, 400u);
  const auto of_job = book.job_series(7, 0)->points;
  ASSERT_EQ(of_job.size(), 40u) << "time goes by for its job, too";
  EXPECT_EQ(of_job[20], Load{});
  EXPECT_EQ(of_job[39].cpu_milli, 800u);
}

TEST(SampleBook, AMeanIsOfWhatWasTold) {
  Mean mean;
  mean.add({100, 8, 50, 4});
  mean.add({});
  mean.add({300, 8, 0, 0});
  EXPECT_EQ(mean.count(), 3u);
  EXPECT_EQ(mean.take(), (Load{200, 8, 25, 2}));
  mean.add({});
  EXPECT_EQ(mean.take(), Load{});
}

TEST(SampleBook, DaysAreMeansOfTenMinutes) {
  SampleBook book;
  for (int second = 0; second < 3 * 600; second += 2) {
    book.tell(sample(second < 600 ? 100 : 300, 0), at(second));
    book.fold(at(second));
  }
  const auto days = book.node_series("node1", true, 0);
  ASSERT_EQ(days[0].points.size(), 3u);
  EXPECT_EQ(days[0].points[0].cpu_milli, 100u);
  EXPECT_EQ(days[0].points[2].cpu_milli, 300u);
  EXPECT_EQ(book.node_series("node1", false, 0)[0].points.size(), kFinePointsMax);
}

TEST(SampleBook, TellsEachReaderWhatIsNewToThem) {
  SampleBook book;
  uint64_t seen = 0;
  EXPECT_TRUE(book.newer_than(seen).empty());
  book.tell(sample(1, 0), at(0));
  EXPECT_EQ(book.newer_than(seen).size(), 1u);
  EXPECT_TRUE(book.newer_than(seen).empty());
  book.tell(sample(2, 0), at(2));
  EXPECT_EQ(book.newer_than(seen).size(), 1u);
}

TEST(SampleBook, IdleGpusAreCountedFromWhenTheyFellIdle) {
  SampleBook book;
  const auto idle_s = [&] { return book.newest(at(100)).at(0).attempts.at(0).gpu_idle_s; };
  book.tell(sample(1, 40), at(80));
  book.tell(sample(1, 0), at(90));
  EXPECT_EQ(idle_s(), 0u);
  book.tell(sample(1, 0), at(99));
  EXPECT_EQ(idle_s(), 9u);
  book.tell(sample(1, 3), at(100));
  EXPECT_EQ(idle_s(), 0u);
}

TEST(SampleBook, WhatNobodyLookedAtIsNotIdle) {
  SampleBook book;
  const auto idle_s = [&](Time now) { return book.newest(now).at(0).attempts.at(0).gpu_idle_s; };
  book.tell(sample(1, 0), at(0));
  book.tell(sample(1, 0), at(10));
  EXPECT_EQ(idle_s(at(10)), 10u);
  book.tell(sample(1, 0), at(18'010));  // the node was away for five hours
  EXPECT_EQ(idle_s(at(18'010)), 0u);
}

}  // namespace
}  // namespace devrun::controller
