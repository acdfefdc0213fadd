// File and command line together: who wins, what is missing, what is shown.
#include "cli/launch/plan.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "cli/launch/substitute.h"

namespace devrun::launch {
namespace {

struct Outcome {
  std::optional<Plan> plan;
  std::string said;  // rendered diagnostics of resolve()
};

Outcome plan_of(std::string_view text, Overrides overrides = {}) {
  const ParsedTaskFile parsed = parse_task_file(text);
  EXPECT_TRUE(parsed.file) << render(parsed.diagnostics, "t.yaml", text);
  overrides.caller_environment = [](const std::string& name) -> std::optional<std::string> {
    if (name == "HERE") return "from the caller";
    return std::nullopt;
  };
  Resolution resolution = resolve(*parsed.file, overrides);
  return {std::move(resolution.plan), render(resolution.diagnostics, "t.yaml", text)};
}

std::string env_of(const Outcome& outcome, std::string_view name) {
  for (const Value& env : outcome.plan->tasks.at(0).envs) {
    if (env.name == name) return env.value;
  }
  return "(none)";
}

TEST(Plan, TheCommandLineWinsOverTheEnvFileWinsOverTheFile) {
  const Outcome outcome =
      plan_of("envs: {A: file, B: file, C: file, HERE: null}\nrun: x\n",
              {.envs = {"A=flag=1", "HERE", "D=new"}, .env_file_text = "A=envfile\nB=envfile\n"});
  ASSERT_TRUE(outcome.plan) << outcome.said;
  EXPECT_EQ(env_of(outcome, "A"), "flag=1");
  EXPECT_EQ(env_of(outcome, "B"), "envfile");
  EXPECT_EQ(env_of(outcome, "C"), "file");
  EXPECT_EQ(env_of(outcome, "D"), "new");
  EXPECT_EQ(env_of(outcome, "HERE"), "from the caller");
}

TEST(Plan, WhatIsRequiredAndMissingIsNamedWithItsPlace) {
  EXPECT_EQ(plan_of("envs:\n  MODEL:\nsecrets:\n  TOKEN: null\nrun: x\n").said,
            "t.yaml:2:3: error: the variable MODEL needs a value\n"
            "    2 |   MODEL:\n      |   ^~~~~\n      = --env MODEL=…\n"
            "t.yaml:4:3: error: the secret TOKEN needs a value\n"
            "    4 |   TOKEN: ***\n      |   ^~~~~\n      = --secret TOKEN=…\n");
  EXPECT_TRUE(plan_of("envs: {EMPTY: ''}\nrun: x\n").plan);
}

TEST(Plan, WhatIsMissingIsToldTogetherWithOtherErrors) {
  const std::string text = "num_nodes: 0\nenvs:\n  MODEL:\n  GIVEN:\nrun: x\n";
  const ParsedTaskFile parsed = parse_task_file(text);
  EXPECT_FALSE(parsed.file);
  ASSERT_TRUE(parsed.incomplete);
  EXPECT_TRUE(has_errors(parsed.diagnostics));
  const auto missing = missing_values(*parsed.incomplete, {.envs = {"GIVEN=1"}});
  ASSERT_EQ(missing.size(), 1u);
  EXPECT_EQ(missing[0].message, "the variable MODEL needs a value");
}

TEST(Plan, AVariableThatIsNearlyOneOfTheFilesIsNoted) {
  const std::string file = "envs: {WHOM: world}\nsecrets: {TOKEN: abcdef}\nrun: x\n";
  const Outcome outcome = plan_of(file, {.envs = {"WHOMM=x", "OTHER=1"}});
  EXPECT_TRUE(outcome.plan);
  EXPECT_NE(outcome.said.find("warning: --env WHOMM: the file has no variable of that name, so it "
                              "is a new one"),
            std::string::npos)
      << outcome.said;
  EXPECT_NE(outcome.said.find("did you mean WHOM?"), std::string::npos);
  EXPECT_EQ(outcome.said.find("OTHER"), std::string::npos);
  EXPECT_NE(plan_of(file, {.secrets = {"TOKN=x"}}).said.find("--secret TOKN"), std::string::npos);
  EXPECT_EQ(plan_of(file, {.envs = {"WHOM=a", "WHOM2=b"}}).said, "");
}

TEST(Plan, ATaskThatRunsNothingIsNoted) {
  const ParsedTaskFile parsed = parse_task_file("name: idle\n");
  const Resolution idle = resolve(*parsed.file, {});
  EXPECT_TRUE(plan_text(*idle.plan, idle.diagnostics)
                  .ends_with("note: the task 'idle' has no 'run': nothing is run; add a line such "
                             "as 'run: python train.py'\n"));
  EXPECT_NE(plan_of("name: idle\n").said.find("the task 'idle' has no 'run': nothing is run"),
            std::string::npos);
  EXPECT_NE(plan_of("setup: pip install x\n").said.find("only its setup is run"),
            std::string::npos);
  EXPECT_EQ(plan_of("run: x\n").said, "");
}

TEST(Plan, ASecretIsOneHoweverItsValueComes) {
  const Outcome outcome = plan_of(
      "envs: {A: null, B: shown}\nsecrets: [TOKEN, HERE]\nrun: x\n",
      {.envs = {"TOKEN=by-env-flag"}, .secrets = {"A=hidden-env", "HERE", "EXTRA=hidden-extra"}});
  ASSERT_TRUE(outcome.plan) << outcome.said;
  const TaskPlan& task = outcome.plan->tasks[0];
  EXPECT_EQ(task.envs, (std::vector<Value>{{"B", "shown"}}));
  EXPECT_EQ(task.secrets, (std::vector<Value>{{"TOKEN", "by-env-flag"},
                                              {"HERE", "from the caller"},
                                              {"A", "hidden-env"},
                                              {"EXTRA", "hidden-extra"}}));
}

std::vector<std::string> mounts_of(const Outcome& outcome) {
  std::vector<std::string> out;
  if (!outcome.plan) return {outcome.said};
  for (const PlannedMount& mount : outcome.plan->tasks.at(0).mounts) out.push_back(mount.shown);
  return out;
}

TEST(Plan, MountsAreWhatTheyComeTo) {
  EXPECT_EQ(mounts_of(plan_of(R"(name: t
envs: {B: my-bucket, D: pics}
file_mounts:
  /data/: ./${D}
  rel: ~/x
  ~/deep//er: s3://b/c
  /one: {name: $B}
  /two: {name: Other_Bucket, source: gs://ignored}
  /three: {source: gs://some-bucket/x}
  /four: {source: ./here, mode: COPY}
  /five: {name: null}
volumes: {/v: vol, /w: {size: 10}}
run: x
)")),
            (std::vector<std::string>{
                "/data  from ./pics", "/five  the shared folder t-five, live", "/four  from ./here",
                "/one  the shared folder my-bucket, live",
                "/three  the shared folder some-bucket, live, with what is in gs://some-bucket/x",
                "/two  the shared folder other_bucket, live, with what is in gs://ignored",
                "/v  the volume vol, live", "/w  an empty folder",
                "~/deep/er  copied from s3://b/c", "~/sky_workdir/rel  from ~/x"}));
}

TEST(Plan, WhatCannotBeMountedIsRefusedWithItsPlace) {
  const Outcome outcome = plan_of(
      "file_mounts:\n  /proc/x: a\n  /a/../b: a\n  /a: b\n  /a/: c\nvolumes: {/v: My_Vol}\nrun: "
      "x\n");
  EXPECT_FALSE(outcome.plan);
  for (const char* words :
       {"t.yaml:2:3: error: nothing can be mounted at '/proc/x'",
        "t.yaml:3:3: error: nothing can be mounted at '/a/../b'",
        "t.yaml:5:3: error: two mounts at '/a/'",
        "t.yaml:6:15: error: volumes: 'My_Vol' cannot be the name of a volume"}) {
    EXPECT_NE(outcome.said.find(words), std::string::npos) << outcome.said;
  }
  EXPECT_NE(plan_of("file_mounts: {/a: 'oci://x/y'}\nrun: x\n").said.find("cannot be fetched"),
            std::string::npos);
}

TEST(Plan, ASweepHasATaskForEachPointAndEnvLeavesOneValue) {
  const std::string file =
      "envs: {lr: null, other: 1}\ndevrun: {sweep: {lr: [1, 2], seed: 1..3}}\nrun: x\n";
  const Outcome all = plan_of(file);
  ASSERT_TRUE(all.plan) << all.said;
  EXPECT_EQ(all.plan->tasks[0].array_tasks, 6u);
  EXPECT_EQ(all.plan->tasks[0].envs, (std::vector<Value>{{"other", "1"}}));
  const Outcome one = plan_of(file, {.envs = {"lr=7"}});
  EXPECT_EQ(one.plan->tasks[0].array_tasks, 3u);
  EXPECT_EQ(one.plan->tasks[0].sweep[0].values, std::vector<std::string>{"7"});
  EXPECT_NE(
      plan_of("secrets: {K: abcd}\ndevrun: {sweep: {K: [1]}}\nrun: x\n").said.find("K is a secret"),
      std::string::npos);
}

TEST(Plan, SeveralDocumentsAreAPipelineOrAGroup) {
  const std::string two = "---\nname: a\nrun: x\n---\nname: b\nrun: y\n";
  const Outcome pipeline = plan_of("name: p\n" + two);
  ASSERT_TRUE(pipeline.plan) << pipeline.said;
  EXPECT_EQ(pipeline.plan->name, "p");
  EXPECT_EQ(pipeline.plan->tasks.size(), 2u);
  EXPECT_EQ(pipeline.plan->order, TaskOrder::kSerial);
  EXPECT_EQ(plan_of("name: g\nexecution: parallel\n" + two).plan->order, TaskOrder::kParallel);
  const Outcome again = plan_of(
      "name: g\nexecution: parallel\n---\nname: a\nresources: {job_recovery: x}\nrun: x\n---\n"
      "name: b\nrun: y\n");
  EXPECT_NE(again.said.find("a task of a group is not run again"), std::string::npos);
  EXPECT_NE(plan_of("name: g\nexecution: parallel\n---\nname: a\nrun: x\n---\nname: a\nrun: y\n")
                .said.find("two tasks of the group are called 'a'"),
            std::string::npos);
}

TEST(Plan, PortsAndProbeAreKept) {
  const Outcome outcome = plan_of(
      "resources: {ports: 8080}\nservice: {readiness_probe: {path: /health, "
      "initial_delay_seconds: 20}, ports: 8080}\nrun: x\n");
  ASSERT_TRUE(outcome.plan) << outcome.said;
  EXPECT_EQ(outcome.plan->tasks[0].probe, "GET /health on port 8080, from 20 s on");
  EXPECT_EQ(outcome.plan->tasks[0].asks.ports.size(), 1u);
}

TEST(Plan, SecretsAreInNeitherTextNorJson) {
  const Outcome outcome = plan_of(
      "name: n\nenvs: {URL: 'https://u:sesame-one@h/'}\n"
      "secrets: {ONE: sesame-one, TWO: null}\nworkdir: /w/${TWO}\nrun: curl sesame-one\n",
      {.secrets = {"TWO=sesame-two"}});
  ASSERT_TRUE(outcome.plan) << outcome.said;
  EXPECT_EQ(outcome.plan->tasks[0].workdir, "/w/sesame-two");
  for (const std::string& shown : {plan_text(*outcome.plan, {}), plan_json(*outcome.plan, {})}) {
    EXPECT_EQ(shown.find("sesame"), std::string::npos) << shown;
    EXPECT_NE(shown.find("TWO"), std::string::npos) << shown;
  }
}

TEST(Plan, BadFlagsAreNamedWithoutTheirValues) {
  const Outcome outcome = plan_of("run: x\n", {.envs = {"GONE", "=v"},
                                               .secrets = {"no name: sesame"},
                                               .env_file_text = "ok=1\nbad line\nQ='open\n",
                                               .env_file_name = "prod.env",
                                               .nodes = 0,
                                               .gpus = "8"});
  EXPECT_FALSE(outcome.plan);
  EXPECT_EQ(
      outcome.said,
      "t.yaml: error: --env GONE: GONE is not set here\n      = --env GONE=VALUE\n"
      "t.yaml: error: --env number 2 does not begin with the name of a variable\n"
      "      = --env NAME=VALUE; a name is letters, digits and _, not beginning with a digit\n"
      "t.yaml: error: --secret number 1 does not begin with the name of a variable\n"
      "      = --secret NAME=VALUE; a name is letters, digits and _, not beginning with a digit\n"
      "t.yaml: error: --nodes: expected a whole number from 1 to 4096\n"
      "prod.env:2:5: error: expected '=' after bad\n      = expected NAME=VALUE\n"
      "prod.env:3:8: error: the value of Q cannot be read\n      = a quote must end on its line\n");
}

TEST(Plan, FlagsChangeNodesNameAndGpus) {
  const Outcome outcome = plan_of("num_nodes: 2\nresources: {gpus: [T4, L4]}\nrun: x\n",
                                  {.name = "other", .nodes = 5, .gpus = "h100:8"});
  ASSERT_TRUE(outcome.plan) << outcome.said;
  const TaskPlan& task = outcome.plan->tasks[0];
  EXPECT_EQ(task.nodes, 5u);
  EXPECT_EQ(task.name, "other");
  EXPECT_EQ(task.asks.per_node.gpus, 8);
  EXPECT_EQ(task.asks.per_node.gpu_type, "H100");
  EXPECT_EQ(task.choices.size(), 1u);
}

TEST(Plan, AlternativesAreThoseThatDifferHere) {
  const Outcome outcome = plan_of(
      "resources:\n  image_id: docker:debian\n  memory: 8\n  any_of:\n"
      "    - {use_spot: true, gpus: [H100, A100:2]}\n    - {use_spot: false, gpus: H100}\n"
      "    - {image_id: null, memory: null, cpus: 4}\nrun: x\n");
  const std::vector<Choice>& choices = outcome.plan->tasks[0].choices;
  ASSERT_EQ(choices.size(), 3u);
  EXPECT_EQ(choices[0].per_node.gpu_type, "H100");
  EXPECT_EQ(choices[0].image, "debian");
  EXPECT_EQ(choices[1].per_node.gpus, 2);
  EXPECT_EQ(choices[2].image, "");
  EXPECT_EQ(choices[2].per_node, (Resources{4000, 0, 0, ""}));
  EXPECT_EQ(outcome.plan->tasks[0].asks, choices[0]);
  const Outcome same = plan_of("resources: {any_of: [{infra: aws}, {infra: gcp}]}\nrun: x\n");
  EXPECT_EQ(same.plan->tasks[0].choices.size(), 1u);
}

TEST(Plan, ABucketThatIsMountedIsSaidToBeOneWay) {
  const auto said = [](const std::string& storage) {
    return plan_of("file_mounts: {/d: {" + storage + "}}\nrun: x\n").said;
  };
  EXPECT_NE(said("source: 's3://b/x', mode: MOUNT").find("does not go back to it"),
            std::string::npos);
  EXPECT_NE(said("source: 's3://b/x'").find("s3://b/x is fetched once"), std::string::npos);
  EXPECT_EQ(said("source: 's3://b/x', mode: COPY"), "");
  EXPECT_EQ(said("name: out, mode: MOUNT"), "");
}

TEST(Plan, SharesOfGpusAreOfOneGpuAndRemembered) {
  const Outcome outcome =
      plan_of("resources: {accelerators: T4:0.5, cpus: 0.5+, memory: 2}\nrun: x\n");
  const TaskPlan& task = outcome.plan->tasks[0];
  Resources half{500, int64_t{2} << 30, 1, "T4"};
  half.gpu_milli = 500;
  EXPECT_EQ(task.asks.per_node, half);
  EXPECT_EQ(task.asks.gpus_exact, 0.5);
  EXPECT_TRUE(task.asks.cpus_at_least);
}

TEST(EnvFile, QuotesCommentsAndExports) {
  std::vector<Diagnostic> diagnostics;
  const auto entries = parse_env_file(
      "# comment\n\nexport A=1\nB = two words # said\nC='a # b'\nD=\"x\\ty\"  # "
      "z\r\nE=\nF\nG=a#b\n",
      "f", diagnostics);
  EXPECT_TRUE(diagnostics.empty());
  const std::vector<std::pair<std::string, std::optional<std::string>>> expected{
      {"A", "1"}, {"B", "two words"},  {"C", "a # b"}, {"D", "x\ty"},
      {"E", ""},  {"F", std::nullopt}, {"G", "a#b"}};
  EXPECT_EQ(entries, expected);
}

TEST(Substitute, OnlyWhatHasAValue) {
  const auto lookup = [](std::string_view name) -> std::optional<VariableValue> {
    if (name == "A") return VariableValue{"1", false};
    if (name == "S") return VariableValue{"sesame", true};
    return std::nullopt;
  };
  EXPECT_EQ(substitute("x/$A-${A}b/$AB/${B}/$$/${A/$", lookup).value, "x/1-1b/$AB/${B}/$$/${A/$");
  EXPECT_EQ(substitute("/$S/$A", lookup).value, "/sesame/1");
  EXPECT_EQ(substitute("/$S/$A", lookup).shown, "/$S/1");
}

TEST(Plan, ReadsWellAsText) {
  const std::string_view text = R"(name: train
num_nodes: 2
workdir: .
resources:
  cpus: 4+
  memory: 16
  accelerators: {H100:8, A100:8}
  infra: aws
  priority: 7
  job_recovery: {max_restarts_on_errors: 3, recover_on_exit_codes: [33]}
envs: {LR: 1.0e-5, BIG: true}
secrets: {TOKEN: sesame}
setup: pip install -r requirements.txt
run: |
  cd src
  python train.py
)";
  const ParsedTaskFile parsed = parse_task_file(text);
  const Outcome outcome = plan_of(text);
  ASSERT_TRUE(outcome.plan);
  EXPECT_EQ(plan_text(*outcome.plan, parsed.diagnostics), R"(task train
  nodes     2
  each      4 CPUs or more, 16 GB memory, 8 × H100
  or        4 CPUs or more, 16 GB memory, 8 × A100
  workdir   .
  recovery  at most 3 restarts, always on status 33, which is not counted
  priority  7
  envs      LR=1e-05
            BIG=True
  secrets   TOKEN
  setup     pip install -r requirements.txt
  run       cd src
            python train.py
note: line 8: 'resources.infra' has no effect: devrun runs on the cluster's own nodes
)");
  const auto json = nlohmann::json::parse(plan_json(*outcome.plan, parsed.diagnostics));
  EXPECT_EQ(json["tasks"][0]["per_node"]["memory_bytes"], int64_t{16} << 30);
  EXPECT_EQ(json["tasks"][0]["envs"]["LR"], "1e-05");
  EXPECT_EQ(json["tasks"][0]["secrets"], nlohmann::json::parse(R"(["TOKEN"])"));
  EXPECT_EQ(json["tasks"][0]["run"], "cd src\npython train.py\n");
  EXPECT_EQ(json["warnings"][0]["line"], 8);
}

TEST(Plan, BytesThatAreNoTextStillMakeJson) {
  const Outcome outcome = plan_of("run: x\n", {.envs = {"A=\xFF"}});
  EXPECT_TRUE(nlohmann::json::accept(plan_json(*outcome.plan, {})));
}

TEST(Plan, TheCommandLineGivesCoresMemoryAndTime) {
  Overrides given;
  given.cpu_milli = 2500;
  given.memory_bytes = int64_t{3} << 30;
  given.time_limit = seconds(7200);
  const Outcome outcome = plan_of("resources: {cpus: 4+, memory: 16}\nrun: x\n", given);
  ASSERT_TRUE(outcome.plan) << outcome.said;
  const TaskPlan& task = outcome.plan->tasks[0];
  EXPECT_EQ(task.asks.per_node.cpu_milli, 2500);
  EXPECT_FALSE(task.asks.cpus_at_least);
  EXPECT_EQ(task.asks.per_node.memory_bytes, int64_t{3} << 30);
  EXPECT_EQ(task.time_limit.us, seconds(7200).us);
}

TEST(Plan, NoNameHoldsASecret) {
  const Outcome outcome = plan_of(
      "secrets: {TOKEN: hunter2xyz}\nfile_mounts:\n  /out: {name: \"nc-$TOKEN\"}\nrun: x\n");
  ASSERT_TRUE(outcome.plan);
  EXPECT_EQ(outcome.plan->tasks[0].mounts[0].name, "nc-token");
  EXPECT_NE(outcome.said.find("holds a secret, and names are shown: it is called nc-token"),
            std::string::npos)
      << outcome.said;
  EXPECT_EQ(outcome.said.find("has no value"), std::string::npos) << outcome.said;
  EXPECT_EQ(outcome.said.find("hunter2xyz"), std::string::npos) << outcome.said;
}

TEST(Plan, ASpanThatIsNoneIsNoValue) {
  for (const char* span : {"3..1", "0..1..0.25", "1...3", "0.1..0.5"}) {
    const std::string text = std::string("devrun: {sweep: {x: ") + span + "}}\nrun: x\n";
    const ParsedTaskFile parsed = parse_task_file(text);
    EXPECT_NE(render(parsed.diagnostics, "t.yaml", text).find("is no span of numbers"),
              std::string::npos)
        << span;
  }
}

}  // namespace
}  // namespace devrun::launch
