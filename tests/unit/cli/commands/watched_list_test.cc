// What `devrun ps --watch` keeps up to date, and what of it fits.
#include "cli/commands/watched_list.h"

#include <gtest/gtest.h>

namespace devrun::cli {
namespace {

JobRecord job(JobId id, JobState state) {
  JobRecord out;
  out.job = id;
  out.state = state;
  return out;
}

JobList list(std::initializer_list<JobRecord> jobs, bool truncated = false) {
  return {std::vector<JobRecord>(jobs), truncated, 0};
}

// "3R 4S": numbers with the first letters of states.
std::string text(const JobList& jobs) {
  std::string out;
  for (const JobRecord& one : jobs.jobs) {
    out += fmt::format("{}{} ", one.job, state_name(one.state).substr(0, 1));
  }
  return out;
}

constexpr JobState kLives = JobState::kRunning, kOver = JobState::kSucceeded;

TEST(WatchedList, AnswersAboutWhatChangedKeepItUpToDate) {
  WatchedList watched(0);
  watched.replace(list({job(3, kLives), job(4, kLives)}));
  watched.update({4, 5, 2}, list({job(4, kOver), job(5, kLives)}));
  EXPECT_EQ(text(watched.list()), "3R 4S 5R ");
  watched.update({3}, list({}));
  EXPECT_EQ(text(watched.list()), "4S 5R ") << "it is not what was asked for any more";
  EXPECT_FALSE(watched.is_short());
}

TEST(WatchedList, ALimitLeavesTheOldestOut) {
  WatchedList watched(2);
  watched.replace(list({job(3, kLives), job(4, kLives)}));
  watched.update({5}, list({job(5, kLives)}));
  EXPECT_EQ(text(watched.list()), "4R 5R ");
  watched.update({5}, list({}));
  EXPECT_TRUE(watched.is_short()) << "job 3 has its place again: the whole is to be asked for";
  watched.replace(list({job(4, kLives)}, true));
  EXPECT_FALSE(watched.is_short()) << "that was all, and is not asked for over and over";
}

std::string as_lines(const JobList& jobs) {
  std::string out = "HEAD\n";
  for (const JobRecord& one : jobs.jobs) {
    out += fmt::format("{}{}\n", one.job, state_name(one.state).substr(0, 1));
  }
  return out;
}

TEST(InRows, WhatLivesStaysAndOfTheRestTheNewest) {
  const JobList jobs = list(
      {job(1, kLives), job(2, kOver), job(3, kOver), job(4, kOver), job(5, kLives), job(6, kOver)});
  EXPECT_EQ(in_rows(jobs, 7, as_lines), "HEAD\n1R\n2S\n3S\n4S\n5R\n6S\n");
  EXPECT_EQ(in_rows(jobs, 6, as_lines), "HEAD\n1R\n4S\n5R\n6S\n… 2 more are not shown\n");
  EXPECT_EQ(in_rows(jobs, 5, as_lines), "HEAD\n1R\n5R\n6S\n… 3 more are not shown\n");
  EXPECT_EQ(in_rows(jobs, 3, as_lines), "HEAD\n5R\n… 5 more are not shown, 1 of them live\n");
  EXPECT_EQ(in_rows(list({}), 3, as_lines), "HEAD\n");
}

TEST(InRows, LinesBelowTheTableCountToo) {
  const auto with_notes = [](const JobList& jobs) {
    return as_lines(jobs) + std::string(jobs.jobs.size() > 1 ? "note\nnote\n" : "");
  };
  const JobList jobs = list({job(1, kLives), job(2, kLives), job(3, kLives)});
  EXPECT_EQ(in_rows(jobs, 6, with_notes), "HEAD\n1R\n2R\n3R\nnote\nnote\n");
  EXPECT_EQ(in_rows(jobs, 5, with_notes), "HEAD\n3R\n… 2 more are not shown, 2 of them live\n");
  EXPECT_EQ(in_rows(jobs, 1, with_notes), "HEAD\n… 3 more are not shown, 3 of them live\n")
      << "no room at all: never without an end";
}

}  // namespace
}  // namespace devrun::cli
