// What is said of the files that a job wrote.
#include "cli/output/results_text.h"

#include <gtest/gtest.h>

#include "cli/output/console.h"
#include "cli/output/job_json.h"

namespace devrun::cli {
namespace {

constexpr int64_t kMegabyte = 1 << 20;

RankWrote rank_wrote(uint32_t rank, HomeSummary home) {
  RankWrote out{{42, kNoTask, rank, 1}, {7, 9 * kMegabyte, "node1", "/x/upper", {}}};
  out.wrote.home = std::move(home);
  return out;
}

std::string said(const std::vector<RankWrote>& ranks, Results results = Results::kHome) {
  std::string out;
  for (const Words& words : written_words(ranks, results)) {
    out += format_words(words.message, words.hint) + "\n";
  }
  return out;
}

HomeSummary three_files() {
  HomeSummary home;
  home.files = 3;
  home.bytes = 4 * kMegabyte;
  home.folder = "/root/proj/out";
  home.notable = {{"/root/proj/out/a", 'A', 3 * kMegabyte},
                  {"/root/proj/out/b", 'M', kMegabyte},
                  {"/root/proj/out/old\x1b", 'D', 0}};
  return home;
}

TEST(Results, NothingIsSaidOfNothing) {
  EXPECT_EQ(said({}), "");
  EXPECT_EQ(said({rank_wrote(0, {})}), "");
  RankWrote old{{42, kNoTask, 0, 1}, {}};
  EXPECT_EQ(said({old}), "");
}

TEST(Results, WhatIsHome) {
  EXPECT_EQ(said({rank_wrote(0, three_files())}),
            "devrun: 3 files, 4.0 MB to /root/proj/out\n"
            "devrun:   A /root/proj/out/a  3.0 MB\n"
            "devrun:   M /root/proj/out/b  1.0 MB\n"
            "devrun:   D /root/proj/out/old\\x1b\n");
  HomeSummary one;
  one.files = 1;
  one.bytes = 5;
  one.folder = "/root";
  one.notable = {{"/root/x", 'A', 5}};
  EXPECT_EQ(said({rank_wrote(0, one)}), "devrun: 1 file, 5 B to /root/x\n");
  one.notable[0].kind = 'D';
  EXPECT_EQ(said({rank_wrote(0, one)}), "devrun: 1 file removed in /root\n");
}

TEST(Results, ManyFilesAreCounted) {
  HomeSummary home = three_files();
  home.files = 1000;
  for (int i = 0; i < 17; ++i) home.notable.push_back({"/root/proj/out/c", 'A', 1});
  const std::string text = said({rank_wrote(0, home)});
  EXPECT_NE(text.find("devrun:   and 995 more\n"), std::string::npos) << text;
}

TEST(Results, ConflictsComeWithTheirCommand) {
  HomeSummary home;
  home.conflicts = 2;
  home.conflicting = {{"/root/a b", 'M', 3}, {"/root/c", 'D', 0}};
  EXPECT_EQ(said({rank_wrote(0, home)}),
            "devrun: 2 files were changed in the volume meanwhile: yours are as you left them; the "
            "job's stay in its change set\n"
            "devrun:   M /root/a b  3 B\n"
            "devrun:   D /root/c\n"
            "devrun: Try: devrun apply --beside 42 '/root/a b' /root/c, or --over in place of "
            "--beside\n");
  home.conflicts = 200;
  const std::string text = said({rank_wrote(0, home)});
  EXPECT_NE(text.find("Try: devrun changes 42; devrun apply --beside 42 PATH\n"), std::string::npos)
      << text;
}

TEST(Results, WhatIsKept) {
  HomeSummary home;
  home.kept = 214;
  home.kept_bytes = 80 * kMegabyte;
  EXPECT_EQ(said({rank_wrote(0, home)}),
            "devrun: 214 files, 80 MB outside of home stay in the change set. Try: devrun changes "
            "42\n");
  EXPECT_EQ(said({rank_wrote(0, home)}, Results::kKeep),
            "devrun: 214 files, 80 MB stay in the change set. Try: devrun changes 42\n");
}

TEST(Results, AFailureMakes123OfSuccessAlone) {
  HomeSummary home;
  home.failure = "the store is full: 3 GB are missing";
  const std::vector<RankWrote> ranks = {rank_wrote(0, home)};
  EXPECT_EQ(said(ranks),
            "devrun: what it wrote is not (wholly) in the store: the store is full: 3 GB are "
            "missing\n"
            "devrun: 7 files, 9.0 MB, kept on node1 for 24 hours\n"
            "devrun: Try: devrun apply 42\n");
  EXPECT_EQ(failures_words(ranks).size(), 1u);
  EXPECT_EQ(status_with_results(0, ranks), kStatusIncomplete);
  EXPECT_EQ(status_with_results(3, ranks), 3);
  const std::vector<RankWrote> fine = {rank_wrote(0, three_files())};
  EXPECT_EQ(status_with_results(0, fine), 0);
  EXPECT_TRUE(failures_words(fine).empty());
}

TEST(Results, RanksAreSummedUp) {
  HomeSummary other = three_files();
  other.folder = "/root/proj/logs";
  other.conflicts = 1;
  other.conflicting = {{"/root/proj/w", 'M', 1}};
  other.kept = 1;
  const std::string text = said({rank_wrote(0, three_files()), rank_wrote(1, other)});
  EXPECT_TRUE(text.starts_with("devrun: 6 files, 8.0 MB to /root/proj, from 2 ranks\n")) << text;
  EXPECT_NE(
      text.find("devrun: rank 1: 1 file was changed in the volume meanwhile, by you or another "
                "rank or task: that stays there; this one's stays in its change set\n"),
      std::string::npos)
      << text;
  EXPECT_NE(text.find("devrun apply --beside 42.1 /root/proj/w,"), std::string::npos) << text;
  EXPECT_NE(text.find("devrun: 1 file, 0 B outside of home stays in the change set. Try: devrun "
                      "changes 42\n"),
            std::string::npos)
      << text;
}

TEST(Results, OfEachRankTheNewestAttemptCounts) {
  JobRecord job;
  job.job = 42;
  for (const uint32_t attempt : {2u, 1u}) {
    AttemptRecord record;
    record.key = {42, kNoTask, 0, attempt};
    record.wrote = WrittenSummary{attempt, 0, "node1", "/x", {}};
    job.attempts.push_back(record);
  }
  ASSERT_EQ(newest_wrote(job).size(), 1u);
  EXPECT_EQ(newest_wrote(job)[0].key.attempt, 2u);
  EXPECT_TRUE(newest_wrote(job, 3).empty());
  job.attempts[0].wrote->home = three_files();
  EXPECT_NE(job_json(job).find(R"("home":{"files":3,"bytes":4194304,"folder":"/root/proj/out")"),
            std::string::npos);
}

}  // namespace
}  // namespace devrun::cli
