// What crosses the wire arrives as it was sent, and what is no value of the model is refused by
// name.
#include <gtest/gtest.h>

#include "common/wire/attempt.h"
#include "common/wire/error.h"

namespace devrun {
namespace {

Digest some_digest(uint8_t first) {
  Digest digest;
  digest.bytes[0] = first;
  return digest;
}

JobSpec full_spec() {
  JobSpec spec;
  spec.name = "train";
  spec.user = "ada";
  spec.root = {"main", some_digest(1), {some_digest(2), some_digest(3)}, false};
  spec.program = {{"python", "tr\xffin.py"},
                  "/root",
                  "sealed",
                  {1000, 1001, {4, 5}, 027, "ada", "/home/ada"},
                  true,
                  {40, 120},
                  true};
  spec.per_node = {2500, int64_t{8} << 30, 2, "H100"};
  spec.nodes = 3;
  spec.pool = "fast";
  spec.array = {{0, 9, 3}};
  spec.array_running_max = 2;
  spec.after_ok = {7, 8};
  spec.time_limit = seconds(60);
  spec.priority = -5;
  spec.paths = {{"/root", {}, PathKind::kHome},
                {"/out", {}, PathKind::kLive, "results"},
                {"/data", {}, PathKind::kBound, {}, "/root/pics"}};
  spec.sweep = {{"lr", {"0.1", "\xff"}}, {"seed", {"1"}}};
  spec.ports = {{80, 80}, {8000, 8010}};
  spec.notes = {{"stage", "2 of 3"}};
  spec.group = {7, 2, "duo", "one", true};
  spec.retry_always_on = {33, 34};
  spec.retry_lost = true;
  spec.alternatives = {spec.per_node, {1000, 0, 1, "A100"}};
  spec.several = {7, 1, 3};
  return spec;
}

TEST(Wire, JobSpecSurvives) {
  const JobSpec spec = full_spec();
  EXPECT_EQ(*wire::from_proto(wire::to_proto(spec)), spec);
}

TEST(Wire, AttemptSpecSurvivesAsBytes) {
  AttemptSpec spec;
  spec.key = {42, 3, 1, 2};
  spec.root = full_spec().root;
  spec.program = full_spec().program;
  spec.env = std::string("A=1\0B=\xff\0", 8);
  spec.ranks = 2;
  spec.rank_addresses = {"127.0.0.2", "127.0.0.3"};
  spec.point = {"lr=0.1", "seed=\xff"};
  spec.group_name = "duo";
  spec.task_id = "devrun-41-1";
  spec.task_ids = {"devrun-41-0", "devrun-41-1"};
  EXPECT_EQ(*wire::parse_attempt_spec(wire::serialize(spec)), spec);
  EXPECT_FALSE(wire::parse_attempt_spec("\xff\xff\xff"));
}

TEST(Wire, ObservedAttemptHasAnEndingExactlyWhenEnded) {
  ObservedAttempt observed;
  observed.key = {1, kNoTask, 0, 1};
  observed.phase = Phase::kEnded;
  observed.ending = Ending{EndCause::kExited, 137, "killed by signal 9", ""};
  observed.wrote = WrittenSummary{1, 5, "node1", "/x", {{"/root/a", 'A', 5}}};
  EXPECT_EQ(*wire::from_proto(wire::to_proto(observed)), observed);
  observed.ending.reset();
  EXPECT_FALSE(wire::from_proto(wire::to_proto(observed)));
}

TEST(Wire, RefusesABadTree) {
  auto message = wire::to_proto(full_spec());
  message.mutable_root()->set_tree("short");
  const auto spec = wire::from_proto(message);
  ASSERT_FALSE(spec);
  EXPECT_EQ(spec.error().message, "root.tree is malformed: expected 32 bytes");
}

TEST(Wire, ErrorsKeepTheirWords) {
  const Error error{Code::kNotFound, "there is no volume mian", "devrun volume ls"};
  const Error back =
      wire::error_of_call(wire::grpc_code_of(error.code), "x", wire::error_details(error));
  EXPECT_EQ(back.code, error.code);
  EXPECT_EQ(back.message, error.message);
  EXPECT_EQ(back.hint, error.hint);
  EXPECT_EQ(wire::error_of_call(14, "connection refused", "").code, Code::kUnavailable);
}

}  // namespace
}  // namespace devrun
