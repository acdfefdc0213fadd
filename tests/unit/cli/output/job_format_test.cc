// `--format`: fields, escapes, and what is said of a wrong one; colours of the list.
#include "cli/output/job_format.h"

#include <gtest/gtest.h>

#include "cli/output/job_text.h"

namespace devrun::cli {
namespace {

constexpr Time kNow{1'767'225'665'000'000};

JobRecord sample() {
  JobRecord job;
  job.job = 42;
  job.spec.name = "train";
  job.spec.user = "ada";
  job.spec.program.argv = {"python", "a\tb"};
  job.state = JobState::kFailed;
  job.ending = Ending{EndCause::kExited, 3, "", ""};
  return job;
}

std::string formatted(std::string_view format, const JobRecord& job) {
  const Result<JobFormat> parsed = JobFormat::parse(format);
  return parsed ? parsed->line(job, kNow) : parsed.error().message;
}

TEST(JobFormat, FieldsAndWhatStandsBetweenThem) {
  EXPECT_EQ(formatted("{job} {state}\\t{status}", sample()), "42 FAILED\t3\n");
  EXPECT_EQ(formatted("{{{user}}}", sample()), "{ada}\n");
  EXPECT_EQ(formatted("", sample()), "\n");
}

TEST(JobFormat, WhatHasNoValueIsADashAndNothingBreaksALine) {
  EXPECT_EQ(formatted("{volume} {reason} {seconds} {tasks}", sample()), "- - - -\n");
  EXPECT_EQ(formatted("{command}", sample()).find('\t'), std::string::npos);
}

TEST(JobFormat, WrongOnesAreSaid) {
  EXPECT_EQ(formatted("{sate}", sample()),
            "--format: there is no field 'sate', did you mean {state}?");
  EXPECT_EQ(formatted("{job", sample()),
            "--format: a '{' without '}'; '{{' is the character itself");
}

TEST(JobsText, IsPaintedOnlyWhereAsked) {
  const JobList jobs{{sample()}, false};
  EXPECT_EQ(jobs_text(jobs, kNow).find('\x1b'), std::string::npos);
  const std::string painted = jobs_text(jobs, kNow, {.colours = true});
  EXPECT_NE(painted.find("\x1b[31mFAILED\x1b[0m"), std::string::npos) << painted;
}

}  // namespace
}  // namespace devrun::cli
