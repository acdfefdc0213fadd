// What people really write: every file of the corpus beside the repository ($DEVRUN_CORPUS: of another one), if it is
// there, resolves, and nearly all are run as they are meant. Values that a file requires are given by the test.
#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>
#include <set>

#include "cli/launch/plan.h"
#include "cli/launch/schema.h"

namespace devrun::launch {
namespace {

namespace fs = std::filesystem;

std::vector<fs::path> corpus_files(const fs::path& folder) {
  std::vector<fs::path> out;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    const auto extension = entry.path().extension();
    if (extension == ".yaml" || extension == ".yml") out.push_back(entry.path());
  }
  std::sort(out.begin(), out.end());
  return out;
}

// As often as the errors are about values that can be given.
Resolution resolve_giving_values(const TaskFile& file) {
  Overrides overrides;
  for (const Task& task : file.tasks) {
    for (const Variable& v : task.envs) {
      if (!v.value) overrides.envs.push_back(v.name + "=given");
    }
    for (const Variable& v : task.secrets) {
      if (!v.value) overrides.secrets.push_back(v.name + "=given");
    }
  }
  return resolve(file, overrides);
}

fs::path corpus_folder() {
  const char* named = std::getenv("DEVRUN_CORPUS");
  return named != nullptr ? fs::path(named)
                          : fs::path(DEVRUN_SOURCE_FOLDER) / "../shared/corpus/skypilot";
}

// What holds of every plan, whatever the file.
void check_plan(const Plan& plan, const Resolution& resolution) {
  std::set<std::string> names;
  ASSERT_FALSE(plan.tasks.empty());
  for (const TaskPlan& task : plan.tasks) {
    EXPECT_GE(task.nodes, 1u);
    EXPECT_GE(static_cast<double>(task.asks.per_node.gpus), task.asks.gpus_exact);
    EXPECT_GE(task.asks.per_node.cpu_milli, 0);
    std::string last;
    for (const PlannedMount& mount : task.mounts) {
      EXPECT_TRUE(mount.target.starts_with('/') || mount.target.starts_with("~/")) << mount.target;
      EXPECT_LT(last, mount.target);
      last = mount.target;
      const bool of_store =
          mount.kind == PlannedMount::Kind::kShared || mount.kind == PlannedMount::Kind::kVolume;
      EXPECT_EQ(of_store, !mount.name.empty()) << mount.shown;
    }
    std::set<std::string> variables;
    for (const Value& value : task.envs) EXPECT_TRUE(variables.insert(value.name).second);
    for (const Value& value : task.secrets) EXPECT_TRUE(variables.insert(value.name).second);
    EXPECT_LE(task.sweep.empty() ? 0u : 1u, task.array_tasks);
  }
  EXPECT_FALSE(plan_text(plan, resolution.diagnostics).empty());
  EXPECT_TRUE(nlohmann::json::accept(plan_json(plan, resolution.diagnostics)));
}

struct Count {
  size_t resolved = 0;
  size_t supported = 0;
  double slowest_ms = 0;
  std::map<std::string, int> unsupported = {};
  std::map<std::string, int> hints = {};
};

void count_file(const fs::path& path, Count& out) {
  const Result<std::string> text = read_task_file(path);
  ASSERT_TRUE(text) << text.error().message;
  // The best of three: what else the machine does is no fault of the parser.
  double took_ms = 1e9;
  ParsedTaskFile parsed;
  Resolution resolution;
  for (int i = 0; i < 3; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    parsed = parse_task_file(*text);
    resolution = parsed.file ? resolve_giving_values(*parsed.file) : Resolution{};
    const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - begin;
    took_ms = std::min(took_ms, took.count());
  }
  out.slowest_ms = std::max(out.slowest_ms, took_ms);
  if (!resolution.plan) {
    std::cout << render(parsed.diagnostics, path.string(), *text, parsed.redactions)
              << render(resolution.diagnostics, path.string(), *text, parsed.redactions);
    return;
  }
  ++out.resolved;
  check_plan(*resolution.plan, resolution);
  bool all = true;
  for (const auto* diagnostics : {&parsed.diagnostics, &resolution.diagnostics}) {
    for (const Diagnostic& d : *diagnostics) {
      all = all && !d.unsupported;
      auto& kind = d.unsupported ? out.unsupported : out.hints;
      if (d.severity == Severity::kWarning) ++kind[d.message.substr(0, d.message.find(" has"))];
    }
  }
  if (all) ++out.supported;
}

TEST(Corpus, ResolvesAndIsSupported) {
  const fs::path folder = corpus_folder();
  if (!fs::exists(folder)) {
    GTEST_SKIP() << "NOT TESTED: there is no corpus of task files at " << folder;
  }
  const std::vector<fs::path> files = corpus_files(folder);
  Count count;
  for (const fs::path& path : files) count_file(path, count);
  std::cout << "corpus: " << count.resolved << " of " << files.size() << " files resolve, "
            << count.supported << " have no unsupported feature; the slowest took "
            << count.slowest_ms << " ms\n";
  for (const auto& [name, n] : count.unsupported) {
    std::cout << "  unsupported: " << n << " × " << name << "\n";
  }
  for (const auto& [name, n] : count.hints) {
    std::cout << "  hint: " << n << " × " << name << "\n";
  }
  EXPECT_EQ(count.resolved, files.size());
  EXPECT_GE(count.supported * 100, files.size() * 97);
  EXPECT_GE(files.size(), 50u);
}

TEST(Schema, IsTheOneInTheDocs) {
  const std::string path = std::string(DEVRUN_SOURCE_FOLDER) + "/docs/task.schema.json";
  std::ifstream file(path);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  EXPECT_TRUE(text == task_schema()) << "devrun launch --schema > docs/task.schema.json";
}

TEST(Examples, ResolveWithoutAWord) {
  for (const char* name :
       {"hello.yaml", "ddp.yaml", "torchrun.yaml", "sweep.yaml", "pipeline.yaml", "venv.yaml"}) {
    const auto text = read_task_file(std::string(DEVRUN_SOURCE_FOLDER) + "/examples/" + name);
    ASSERT_TRUE(text) << text.error().message;
    const ParsedTaskFile parsed = parse_task_file(*text);
    ASSERT_TRUE(parsed.file) << render(parsed.diagnostics, name, *text);
    EXPECT_TRUE(parsed.diagnostics.empty()) << render(parsed.diagnostics, name, *text);
    EXPECT_TRUE(resolve_giving_values(*parsed.file).plan) << name;
  }
}

}  // namespace
}  // namespace devrun::launch
