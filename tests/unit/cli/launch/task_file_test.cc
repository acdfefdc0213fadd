// Files as people write them: every form of a field, every mistake with its place, secrets unseen.
#include "cli/launch/task_file.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "cli/launch/document.h"

namespace devrun::launch {
namespace {

Task only_task(std::string_view text) {
  const ParsedTaskFile parsed = parse_task_file(text);
  EXPECT_TRUE(parsed.file) << render(parsed.diagnostics, "t.yaml", text, parsed.redactions);
  return parsed.file ? parsed.file->tasks.front() : Task{};
}

// What is printed for a file that is wrong.
std::string complaints(std::string_view text) {
  const ParsedTaskFile parsed = parse_task_file(text);
  EXPECT_EQ(parsed.file.has_value(), !has_errors(parsed.diagnostics));
  return render(parsed.diagnostics, "t.yaml", text, parsed.redactions);
}

// "LINE:COLUMN message", one a line.
std::string brief(std::string_view text) {
  std::string out;
  for (const Diagnostic& d : parse_task_file(text).diagnostics) {
    out += fmt::format("{}:{} {}\n", d.line, d.column, d.message);
  }
  return out;
}

std::vector<GpuRequest> gpus(std::string_view value) {
  return only_task(fmt::format("resources:\n  accelerators: {}\n", value)).alternatives[0].gpus;
}

TEST(TaskFile, ReadsAllThatIsFollowed) {
  const Task task = only_task(R"(name: train
workdir: ~/work
num_nodes: 2
resources: {cpus: 4+, memory: 16, gpus: H100:8, priority: -5, job_recovery: failover}
envs: {A: 1.0, B: null, C: yes}
secrets: {TOKEN: null}
setup: pip install x
run: |
  python train.py
)");
  EXPECT_EQ(task.name.value, "train");
  EXPECT_EQ(task.workdir.value, "~/work");
  EXPECT_EQ(task.nodes, 2);
  const ResourceRequest& resources = task.alternatives.at(0);
  EXPECT_EQ(resources.cpus, (CpuRequest{4000, true}));
  EXPECT_EQ(resources.memory, (MemoryRequest{int64_t{16} << 30, false}));
  EXPECT_EQ(resources.gpus, (std::vector<GpuRequest>{{"H100", 8}}));
  EXPECT_EQ(resources.priority, -5);
  EXPECT_EQ(resources.recovery->strategy, "failover");
  ASSERT_EQ(task.envs.size(), 3u);
  EXPECT_EQ(task.envs[0].value, "1.0");
  EXPECT_EQ(task.envs[1].value, std::nullopt);
  EXPECT_EQ(task.envs[2].value, "True");
  EXPECT_EQ(task.secrets.at(0).name, "TOKEN");
  EXPECT_EQ(task.setup.value, "pip install x");
  EXPECT_EQ(task.run.value, "python train.py\n");
}

TEST(TaskFile, NullIsAsIfAbsent) {
  const Task task =
      only_task("name:\nworkdir: ~\nresources:\nenvs: null\nsecrets:\nrun: true_is_a_word\n");
  EXPECT_EQ(task.alternatives, std::vector<ResourceRequest>(1));
  EXPECT_EQ(brief("resources: {image_id: null, cpus: ~}\nrun: x\n"), "");
}

TEST(TaskFile, CpusAndMemoryInAllForms) {
  const auto resources = [](std::string_view text) {
    return only_task(fmt::format("resources: {{{}}}\n", text)).alternatives[0];
  };
  EXPECT_EQ(resources("cpus: 0.5").cpus, (CpuRequest{500, false}));
  EXPECT_EQ(resources("cpus: '2'").cpus, (CpuRequest{2000, false}));
  EXPECT_EQ(resources("cpus: 1.5+").cpus, (CpuRequest{1500, true}));
  EXPECT_EQ(resources("memory: 16+").memory, (MemoryRequest{int64_t{16} << 30, true}));
  EXPECT_EQ(resources("memory: 64GB").memory, (MemoryRequest{int64_t{64} << 30, false}));
  EXPECT_EQ(resources("memory: 512MiB+").memory, (MemoryRequest{int64_t{512} << 20, true}));
  EXPECT_EQ(resources("memory: 0.5").memory, (MemoryRequest{int64_t{1} << 29, false}));
  EXPECT_EQ(
      brief("resources: {cpus: 0, memory: -1}\n"),
      "1:19 resources.cpus: expected a number such as 4, 0.5 or 4+, found the whole number '0'\n"
      "1:30 resources.memory: expected an amount such as 16 (in GB), 16+ or 64GB, found the whole "
      "number '-1'\n");
  for (const char* wrong : {"4x", "4++", "inf", "1e3", "[4]", ".nan", "yes"}) {
    EXPECT_NE(brief(fmt::format("resources:\n  cpus: {}\n", wrong)), "") << wrong;
  }
  for (const char* wrong : {"16x", "GB", "99999999PB", "1 6", "{a: b}"}) {
    EXPECT_NE(brief(fmt::format("resources:\n  memory: {}\n", wrong)), "") << wrong;
  }
}

TEST(TaskFile, AcceleratorsInAllForms) {
  using Gpus = std::vector<GpuRequest>;
  EXPECT_EQ(gpus("H100"), (Gpus{{"H100", 1}}));
  EXPECT_EQ(gpus("v100:0.5"), (Gpus{{"V100", 0.5}}));
  EXPECT_EQ(gpus("h100-sxm:4"), (Gpus{{"H100", 4}}));
  EXPECT_EQ(gpus("[A100:8, A100-80GB:4]"), (Gpus{{"A100", 8}, {"A100-80GB", 4}}));
  EXPECT_EQ(gpus("{L4:1, A10g}"), (Gpus{{"L4", 1}, {"A10G", 1}}));
  EXPECT_EQ(gpus("{T4: 0.5, H200: 8}"), (Gpus{{"T4", 0.5}, {"H200", 8}}));
  EXPECT_EQ(gpus("!!set {T4, H200:8}"), (Gpus{{"T4", 1}, {"H200", 8}}));
  EXPECT_EQ(gpus("tpu-v5e-8"), (Gpus{{"tpu-v5e-8", 1}}));
}

TEST(TaskFile, AcceleratorsThatAreNone) {
  const auto found = [](std::string_view value) {
    return brief(fmt::format("resources:\n  gpus: {}\n", value));
  };
  constexpr std::string_view kExpected =
      "resources.gpus: expected a type and a count such as H100:8, or T4:0.5 for a share, found";
  EXPECT_EQ(found("8"), fmt::format("2:9 {} the whole number '8'\n", kExpected));
  EXPECT_EQ(found("H100:many"), fmt::format("2:9 {} the string 'H100:many'\n", kExpected));
  EXPECT_EQ(found("H100:1.5"), fmt::format("2:9 {} the string 'H100:1.5'\n", kExpected));
  EXPECT_EQ(found("H100:0"), fmt::format("2:9 {} the string 'H100:0'\n", kExpected));
  EXPECT_EQ(found("[]"), fmt::format("2:9 {} an empty list\n", kExpected));
  EXPECT_EQ(found("[T4, [L4]]"), fmt::format("2:14 {} a list\n", kExpected));
  EXPECT_EQ(found("{T4:1: 2}"), "2:16 resources.gpus: the count of 'T4:1' is given twice\n");
  EXPECT_EQ(
      found("{T4: two}"),
      "2:14 resources.gpus.T4: expected a whole number of GPUs, or a share below 1, found the "
      "string 'two'\n");
  EXPECT_EQ(brief("resources: {gpus: T4, accelerators: L4}\n"),
            "1:23 'gpus' and 'accelerators' are two names of one field\n");
}

TEST(TaskFile, AlternativesTakeTheOuterKeysAsDefaults) {
  const Task task = only_task(R"(resources:
  cpus: 8
  accelerators: T4
  any_of:
    - accelerators: H100:2
      cpus: 16+
    - memory: 32
)");
  ASSERT_EQ(task.alternatives.size(), 2u);
  EXPECT_EQ(task.alternatives[0].cpus, (CpuRequest{16'000, true}));
  EXPECT_EQ(task.alternatives[0].gpus, (std::vector<GpuRequest>{{"H100", 2}}));
  EXPECT_EQ(task.alternatives[1].cpus, (CpuRequest{8000, false}));
  EXPECT_EQ(task.alternatives[1].gpus, (std::vector<GpuRequest>{{"T4", 1}}));
  EXPECT_EQ(task.alternatives[1].memory, (MemoryRequest{int64_t{32} << 30, false}));
  EXPECT_EQ(brief("resources:\n  any_of: [{cpus: 1}]\n  ordered: [{cpus: 2}]\n"),
            "3:3 resources: any_of and ordered exclude each other\n");
  EXPECT_EQ(brief("resources:\n  ordered: [{any_of: []}, 3]\n"),
            "2:14 unknown key 'any_of' in resources\n"
            "2:27 resources.ordered: expected a map of resources, found the whole number '3'\n");
}

TEST(TaskFile, RecoveryInBothForms) {
  const Task task = only_task(R"(resources:
  spot_recovery:
    strategy: null
    max_restarts_on_errors: 3
    recover_on_exit_codes: [33, 34]
)");
  EXPECT_EQ(*task.alternatives[0].recovery, (JobRecovery{"", 3, {33, 34}}));
  EXPECT_EQ(only_task("resources: {job_recovery: {recover_on_exit_codes: 7}}\n")
                .alternatives[0]
                .recovery->recover_on_exit_codes,
            std::vector<int32_t>{7});
  EXPECT_EQ(
      brief("resources: {job_recovery: {recover_on_exit_codes: [256]}}\n"),
      "1:52 resources.job_recovery.recover_on_exit_codes: expected a whole number from 0 to 255, "
      "found the whole number '256'\n");
}

TEST(TaskFile, OtherKnownFieldsAreOneWarningEach) {
  EXPECT_EQ(brief(R"(resources:
  use_spot: true
  any_of:
    - {infra: aws, use_spot: false}
    - {infra: gcp}
event_callback: ring
run: x
)"),
            "2:3 'resources.use_spot' has no effect: devrun runs on the cluster's own nodes\n"
            "4:8 'resources.infra' has no effect: devrun runs on the cluster's own nodes\n"
            "6:1 'event_callback' has no effect: it is never called\n");
  EXPECT_EQ(brief("resources: {use_spot: 3}\n"),
            "1:23 resources.use_spot: expected true or false, found the whole number '3'\n");
  ParsedTaskFile parsed = parse_task_file("config: {}\n");
  EXPECT_TRUE(parsed.file);
  make_strict(parsed.diagnostics);
  EXPECT_TRUE(has_errors(parsed.diagnostics));
}

TEST(TaskFile, EveryKnownFieldIsAcceptedOrFollowed) {
  for (const char* field :
       {"file_mounts_mapping: {}", "pool: {}", "config: {}", "inputs: {}", "outputs: {}",
        "experimental: {}", "event_callback: x", "execution: serial", "volume_mounts: []",
        "managed_secrets: []", "api_server_access: true"}) {
    const ParsedTaskFile parsed = parse_task_file(std::string(field) + "\n");
    ASSERT_EQ(parsed.diagnostics.size(), 1u) << field;
    EXPECT_EQ(parsed.diagnostics[0].severity, Severity::kWarning) << field;
  }
}

// What would change what the programs of a task do or see is one thing, what it would cost elsewhere another.
TEST(TaskFile, WhatIsNotRunAsMeantIsUnsupportedAndHintsAreNot) {
  const auto unsupported = [](const std::string& text) {
    const ParsedTaskFile parsed = parse_task_file(text + "\nrun: x\n");
    EXPECT_TRUE(parsed.file) << text;
    return std::any_of(parsed.diagnostics.begin(), parsed.diagnostics.end(),
                       [](const Diagnostic& d) { return d.unsupported; });
  };
  for (const char* text :
       {"event_callback: x", "volume_mounts: []", "service: {replicas: 2}",
        "service: {replica_policy: {min_replicas: 3}}", "resources: {hooks: []}"}) {
    EXPECT_TRUE(unsupported(text)) << text;
  }
  for (const char* text : {"resources: {use_spot: true}", "config: {}", "inputs: {}",
                           "resources: {image_id: 'skypilot:gpu'}", "service: {replicas: 1}",
                           "file_mounts: {/a: {name: x, store: s3, persistent: false}}"}) {
    EXPECT_FALSE(unsupported(text)) << text;
  }
}

TEST(TaskFile, MountsVolumesAndPortsAreRead) {
  const Task task = only_task(R"(file_mounts:
  /data: ./pics
  ~/x: {name: bucket, source: [a, b], mode: copy}
volumes: {/v: vol, /w: {name: other}}
resources: {ports: [8080, 9000-9010]}
workdir: {url: 'https://example.com/x.git', ref: main}
)");
  ASSERT_EQ(task.file_mounts.size(), 2u);
  EXPECT_EQ(task.file_mounts[0].source.value, "./pics");
  ASSERT_TRUE(task.file_mounts[1].storage);
  EXPECT_TRUE(task.file_mounts[1].storage->copied);
  EXPECT_EQ(task.file_mounts[1].storage->sources.size(), 2u);
  ASSERT_EQ(task.volumes.size(), 2u);
  EXPECT_EQ(task.volumes[1].name.value, "other");
  EXPECT_EQ(task.alternatives[0].ports, (std::vector<PortRange>{{8080, 8080}, {9000, 9010}}));
  ASSERT_TRUE(task.git);
  EXPECT_EQ(task.git->ref.value, "main");
  EXPECT_EQ(brief("file_mounts: {/a: 3}\nvolumes: [x]\nresources: {ports: 70000}\n"),
            "1:19 file_mounts./a: expected a path, a URI, or a map such as {name: …, mode: MOUNT}, "
            "found the whole number '3'\n"
            "2:10 volumes: expected a map of paths in the task to volumes' names, found a list\n"
            "3:20 resources.ports: expected a port such as 8080, or 8000-8010, found the whole "
            "number '70000'\n");
}

TEST(TaskFile, ASweepIsListsAndSpans) {
  const Task task = only_task(
      "devrun: {sweep: {lr: [0.1, 1e-3], seed: 1..5..2, tag: x}, "
      "max_running: 4}\n");
  ASSERT_TRUE(task.sweep);
  ASSERT_EQ(task.sweep->variables.size(), 3u);
  EXPECT_EQ(task.sweep->variables[0].values, (std::vector<std::string>{"0.1", "1e-3"}));
  EXPECT_EQ(task.sweep->variables[1].values, (std::vector<std::string>{"1", "3", "5"}));
  EXPECT_EQ(task.sweep->variables[2].values, std::vector<std::string>{"x"});
  EXPECT_EQ(task.sweep->max_running, 4);
  EXPECT_EQ(only_task("devrun: {array: 8}\n").sweep->array, 8);
  EXPECT_EQ(brief("devrun: {sweep: {a: []}}\n"),
            "1:21 devrun.sweep.a: expected a list of values, or numbers such as 1..5, found a "
            "list\n");
  EXPECT_NE(brief("devrun: {sweep: {a: 1..400, b: 1..400}}\n").find("more than 100000 points"),
            std::string::npos);
  EXPECT_NE(brief("devrun: {array: 2, sweep: {a: [1]}}\n").find("exclude"), std::string::npos);
}

TEST(TaskFile, AllErrorsComeAtOnceAndInOrder) {
  EXPECT_EQ(complaints(R"(nmae: x
resources:
  acelerators: H100:8
  num_nodes: 3
num_nodes: two
accelerators: T4
run: [a]
name: 3
frobnicate: 1
)"),
            R"(t.yaml:1:1: error: unknown key 'nmae'
    1 | nmae: x
      | ^~~~
      = did you mean 'name'?
t.yaml:3:3: error: unknown key 'acelerators' in resources
    3 |   acelerators: H100:8
      |   ^~~~~~~~~~~
      = did you mean 'accelerators'?
t.yaml:4:3: error: unknown key 'num_nodes' in resources
    4 |   num_nodes: 3
      |   ^~~~~~~~~
      = 'num_nodes' belongs at the top of the file
t.yaml:5:12: error: num_nodes: expected a whole number from 1 to 4096, found the string 'two'
    5 | num_nodes: two
      |            ^~~
t.yaml:6:1: error: unknown key 'accelerators'
    6 | accelerators: T4
      | ^~~~~~~~~~~~
      = 'accelerators' belongs under 'resources:'
t.yaml:7:6: error: run: expected a string, found a list
    7 | run: [a]
      |      ^
t.yaml:8:7: error: name: expected a string, found the whole number '3'
    8 | name: 3
      |       ^
      = put it in quotes
t.yaml:9:1: error: unknown key 'frobnicate'
    9 | frobnicate: 1
      | ^~~~~~~~~~
      = expected one of name, workdir, num_nodes, resources, envs, secrets, setup, run, file_mounts, volumes, service, devrun, file_mounts_mapping, volume_mounts, pool, managed_secrets, execution, primary_tasks, termination_delay, config, inputs, outputs, event_callback, experimental, api_server_access
)");
}

TEST(TaskFile, NumNodesIsAWholeNumber) {
  for (const char* wrong : {"0", "-1", "1.0", "yes", "4097", "'2'", "99999999999999999999"}) {
    EXPECT_NE(brief(fmt::format("num_nodes: {}\n", wrong)), "") << wrong;
  }
}

TEST(TaskFile, VariablesHaveNamesThatAShellCanUse) {
  EXPECT_EQ(brief("envs:\n  A-B: 1\n  2C: 2\n  yes: 3\n  D: [1]\nsecrets: [OK, 3, 'a b']\n"),
            "2:3 envs: 'A-B' cannot be the name of a variable\n"
            "3:3 envs: '2C' cannot be the name of a variable\n"
            "5:6 envs.D: expected one value, found a list\n"
            "6:15 secrets: expected a name, found a whole number\n"
            "6:18 secrets: an item of the list is no name of a variable\n");
  EXPECT_EQ(brief("envs: 3\n"),
            "1:7 envs: expected a map of names to values, found the whole number '3'\n");
}

TEST(TaskFile, WhatIsNoTaskIsSaid) {
  EXPECT_EQ(brief(""), "0:0 the file holds no task\n");
  EXPECT_EQ(brief("# nothing\n---\n"), "0:0 the file holds no task\n");
  EXPECT_EQ(brief("- a\n- b\n"),
            "1:1 the file: expected a map of fields such as 'run: …', found a list\n");
  EXPECT_EQ(complaints(""), "t.yaml: error: the file holds no task\n      = begin with 'run: …'\n");
}

TEST(TaskFile, SeveralDocumentsAreTasksBehindAHeader) {
  const ParsedTaskFile parsed = parse_task_file(
      "---\nname: group\nexecution: parallel\n---\nname: a\nrun: x\n---\nname: b\nrun: y\n");
  ASSERT_TRUE(parsed.file);
  EXPECT_EQ(parsed.file->name, "group");
  EXPECT_EQ(parsed.file->order, TaskOrder::kParallel);
  ASSERT_EQ(parsed.file->tasks.size(), 2u);
  EXPECT_EQ(parsed.file->tasks[1].name.value, "b");
  EXPECT_TRUE(parsed.diagnostics.empty());
  const ParsedTaskFile plain = parse_task_file("name: a\nrun: x\n---\nname: b\nrun: y\n");
  EXPECT_EQ(plain.file->tasks.size(), 2u);
  EXPECT_EQ(brief("name: g\nexecution: sideways\n---\nrun: x\n"),
            "2:12 execution: expected serial or parallel, found the string 'sideways'\n");
}

TEST(Secrets, AreInNoDiagnostic) {
  // Whatever is wrong around them.
  for (const std::string& text : std::vector<std::string>{
           "secrets:\n  TOKEN: hf_sesame\n  TOKEN: sesame_two\n",
           "secrets: {TOKEN: hf_sesame, TOKEN: sesame_two}\n", "secrets:\n  BAD-NAME: hf_sesame\n",
           "secrets:\n  TOKEN: [hf_sesame]\n", "secrets:\n  - hf-sesame\n", "secrets: hf_sesame\n",
           "secrets:\n  TOKEN: hf_sesame: x\n", "secrets:\n  TOKEN: \"hf_sesame\n",
           "secrets:\n\tTOKEN: hf_sesame\n",
           "secrets:\n  KEY: |\n    sesame line: one\n   sesame two\n",
           "  secrets:\n    TOKEN: hf_sesame: x\n", "{\"secrets\": {\"TOKEN\": hf_sesame, ]}\n",
           "secrets: {TOKEN: &t hf_sesame}\nnum_nodes: *t\n",
           "secrets: &s {TOKEN: hf_sesame}\nname: *s\nrun: [x]\n"}) {
    const std::string shown = complaints(text);
    EXPECT_NE(shown, "") << text;
    EXPECT_EQ(shown.find("sesame"), std::string::npos) << shown;
  }
  EXPECT_EQ(complaints("secrets:\n  TOKEN: hf_sesame\n  TOKEN: other\n"),
            "t.yaml:3:3: error: the key 'TOKEN' is repeated: it stands in line 2 already\n"
            "    3 |   TOKEN: ***\n      |   ^~~~~\n      = keep one of the two\n");
}

TEST(Render, ShowsWideTabbedAndLongLinesWithTheCaretInPlace) {
  EXPECT_EQ(complaints("envs: {\"é\": 1, B-C: 2}\n"),
            "t.yaml:1:8: error: envs: 'é' cannot be the name of a variable\n"
            "    1 | envs: {\"é\": 1, B-C: 2}\n      |        ^~~\n"
            "      = expected letters, digits and _, not beginning with a digit\n"
            "t.yaml:1:17: error: envs: 'B-C' cannot be the name of a variable\n"
            "    1 | envs: {\"é\": 1, B-C: 2}\n      |                ^~~\n"
            "      = expected letters, digits and _, not beginning with a digit\n");
  const std::string long_line = "envs: {A: '" + std::string(300, 'x') + "', B-C: 1}\n";
  const std::string shown = complaints(long_line);
  for (size_t begin = 0; begin < shown.size(); begin = shown.find('\n', begin) + 1) {
    EXPECT_LT(shown.find('\n', begin) - begin, 120u);
  }
  EXPECT_NE(shown.find("B-C: 1}\n"), std::string::npos);
}

TEST(ReadTaskFile, SaysWhyItCannot) {
  const auto missing = read_task_file("/nowhere/task.yaml");
  ASSERT_FALSE(missing);
  EXPECT_NE(missing.error().message.find("/nowhere/task.yaml: No such file"), std::string::npos);
}

}  // namespace
}  // namespace devrun::launch
