// What people really write: every file of the corpus beside the repository, if it is there, resolves. Values that a
// file requires are given by the test.
#include <gtest/gtest.h>

#include <filesystem>
#include <iostream>
#include <set>

#include "cli/launch/plan.h"

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

TEST(Corpus, Resolves) {
  const fs::path folder = fs::path(DEVRUN_SOURCE_FOLDER) / "../shared/corpus/skypilot";
  if (!fs::exists(folder)) {
    GTEST_SKIP() << "NOT TESTED: there is no corpus of task files at " << folder;
  }
  const std::vector<fs::path> files = corpus_files(folder);
  size_t resolved = 0;
  std::map<std::string, int> ignored;
  for (const fs::path& path : files) {
    const Result<std::string> text = read_task_file(path);
    ASSERT_TRUE(text) << text.error().message;
    const ParsedTaskFile parsed = parse_task_file(*text);
    for (const Diagnostic& d : parsed.diagnostics) {
      if (d.severity == Severity::kWarning) ++ignored[d.message.substr(0, d.message.find(" has"))];
    }
    const Resolution resolution = parsed.file ? resolve_giving_values(*parsed.file) : Resolution{};
    if (resolution.plan) {
      ++resolved;
      for (const TaskPlan& task : resolution.plan->tasks) {
        EXPECT_GE(task.nodes, 1u);
        EXPECT_GE(static_cast<double>(task.per_node.gpus), task.gpus_exact);
        EXPECT_FALSE(plan_text(*resolution.plan, {}).empty());
      }
    } else {
      std::cout << render(parsed.diagnostics, path.string(), *text, parsed.redactions)
                << render(resolution.diagnostics, path.string(), *text, parsed.redactions);
    }
  }
  std::cout << "corpus: " << resolved << " of " << files.size() << " files resolve\n";
  for (const auto& [name, count] : ignored) std::cout << "  " << count << " × " << name << "\n";
  EXPECT_EQ(resolved, files.size());
  EXPECT_GE(files.size(), 150u);
}

TEST(Examples, ResolveWithoutAWord) {
  for (const char* name : {"hello.yaml", "ddp.yaml"}) {
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
