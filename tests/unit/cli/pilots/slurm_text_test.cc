// Words for Slurm's commands and their answers, the latter as version 22.05 gives them.
#include "cli/pilots/slurm_text.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "cli/pilots/admit.h"

namespace devrun::pilots {
namespace {

Kind kind() {
  Kind out;
  out.name = "gpu";
  out.has.cpu_milli = 8000;
  out.has.memory_bytes = int64_t{32} << 30;
  out.has.gpus = 2;
  out.has.gpu_type = "h100";
  out.time = seconds(5401);
  out.partition = "batch";
  out.account = "ai";
  out.options = {"--qos=low"};
  out.pools = {"it's"};
  out.labels = {{"zone", "b"}};
  return out;
}

bool has(const std::vector<std::string>& words, const std::string& word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

TEST(SlurmText, SbatchIsToldWhatTheKindSays) {
  const auto words = sbatch_words(Policy{}, kind(), "slurm-3");
  for (const char* word :
       {"--parsable", "--no-requeue", "--job-name=slurm-3", "--comment=devrun-pilot:slurm:gpu",
        "--cpus-per-task=8", "--mem=32768M", "--time=91", "--gres=gpu:h100:2", "--partition=batch",
        "--account=ai", "--qos=low"}) {
    EXPECT_TRUE(has(words, word)) << word;
  }
  EXPECT_EQ(words.back(), "--qos=low") << "an administrator's words come last, and win";
}

TEST(SlurmText, TheScriptIsOneProgramOfPlainWords) {
  const std::string script = batch_script(Policy{}, kind(), "slurm-3");
  EXPECT_TRUE(script.starts_with("#!/bin/sh\n"));
  EXPECT_NE(script.find("exec '/usr/bin/devrun-slurm' 'pilot' '--name' 'slurm-3'"),
            std::string::npos)
      << script;
  EXPECT_NE(script.find("'it'\\''s'"), std::string::npos) << script;
  EXPECT_NE(script.find("'zone=b'"), std::string::npos);
  EXPECT_NE(script.find("--memory \"32768M\""), std::string::npos);
  EXPECT_NE(script.find(
                "export DEVRUN_PILOT_LEAVES=\"${SLURM_JOB_END_TIME:-$(($(date +%s) + 5460))}\"\n"),
            std::string::npos)
      << "91 minutes\n"
      << script;
}

TEST(SlurmText, ASubmissionNamesItsJob) {
  EXPECT_EQ(parse_submitted("123\n"), 123u);
  EXPECT_EQ(parse_submitted("123;cluster\n"), 123u);
  EXPECT_EQ(parse_submitted("sbatch: warning: can't honor --ntasks\n77\n"), 77u);
  EXPECT_EQ(parse_submitted("sbatch: error: invalid partition specified: x\n"), std::nullopt);
}

TEST(SlurmText, SqueueTellsPilotsOfOurs) {
  const auto seen = parse_squeue(Policy{},
                                 "12|slurm-1|RUNNING|4:56|devrun-pilot:slurm:cpu\n"
                                 "13|slurm-2|PENDING|1-00:00:00|devrun-pilot:slurm:gpu\n"
                                 "11|x|RUNNING|1:00|a comment\n"
                                 "of two|lines\n"
                                 "14|train|RUNNING|1:00|(null)\n"
                                 "15|other-1|RUNNING|1:00|devrun-pilot:other:cpu\n"
                                 "9|slurm-1|NODE_FAIL|0:00|devrun-pilot:slurm:cpu\n"
                                 "8|slurm-3|COMPLETING|INVALID|devrun-pilot:slurm:cpu\n"
                                 "7|slurm-4|TIMEOUT|0:00|devrun-pilot:slurm:a|b\n"
                                 "6|slurm-5|SOMETHING_NEW|UNLIMITED|devrun-pilot:slurm:cpu\n");
  ASSERT_TRUE(seen) << seen.error().message;
  ASSERT_EQ(seen->size(), 6u);
  EXPECT_EQ(seen->at(0).job, 12u);
  EXPECT_EQ(seen->at(0).name, "slurm-1");
  EXPECT_EQ(seen->at(0).kind, "cpu");
  EXPECT_EQ(seen->at(0).left, seconds(296));
  std::vector<PilotState> states;
  for (const Pilot& pilot : *seen) states.push_back(pilot.state);
  EXPECT_EQ(states, (std::vector<PilotState>{PilotState::kRunning, PilotState::kPending,
                                             PilotState::kVanished, PilotState::kEnding,
                                             PilotState::kOver, PilotState::kEnding}))
      << "a state that is not known is not taken for an end";
  EXPECT_EQ(seen->at(1).left, seconds(86'400));
  EXPECT_EQ(seen->at(3).left, std::nullopt);
  EXPECT_EQ(seen->at(4).kind, "a|b");
  EXPECT_FALSE(parse_squeue(Policy{}, "slurm_load_jobs error: Unable to contact slurm controller"));
  EXPECT_TRUE(parse_squeue(Policy{}, "")->empty());
}

TEST(SlurmText, SpansAreAsSlurmWritesThem) {
  EXPECT_EQ(parse_left("0:00"), seconds(0));
  EXPECT_EQ(parse_left("2:03:04"), seconds(2 * 3600 + 3 * 60 + 4));
  EXPECT_EQ(parse_left("2-00:00:01"), seconds(2 * 86'400 + 1));
  for (const char* text : {"UNLIMITED", "INVALID", "NOT_SET", "", "x-1:00", "1:x", "5"}) {
    EXPECT_EQ(parse_left(text), std::nullopt) << text;
  }
}

TEST(SlurmText, ASecretIsTwoLines) {
  const auto secret = parse_secret(to_text({"10.0.0.1:7444", "devrun1.a.b"}));
  ASSERT_TRUE(secret);
  EXPECT_EQ(secret->endpoint, "10.0.0.1:7444");
  EXPECT_EQ(secret->token, "devrun1.a.b");
  for (const char* text : {"", "a\n", "a\n\n", "\nb\n", "a\nb", "a\nb\nc\n"}) {
    EXPECT_FALSE(parse_secret(text)) << text;
  }
}

}  // namespace
}  // namespace devrun::pilots
