// Plans and errors as people see them: each golden/NAME.yaml with what is made of it in golden/NAME.txt.
// DEVRUN_UPDATE_GOLDEN=1 writes those anew, for a look at the difference.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "cli/launch/plan.h"

namespace devrun::launch {
namespace {

namespace fs = std::filesystem;

std::string shown(const std::string& name, const std::string& text) {
  ParsedTaskFile parsed = parse_task_file(text);
  std::vector<Diagnostic> said = parsed.diagnostics;
  Overrides overrides;
  overrides.envs = {"MODEL=base"};
  std::string out;
  if (parsed.file) {
    Resolution resolution = resolve(*parsed.file, overrides);
    said.insert(said.end(), resolution.diagnostics.begin(), resolution.diagnostics.end());
    sort_by_place(said);
    if (resolution.plan) out = plan_text(*resolution.plan, said) + "\n";
  } else if (parsed.incomplete) {
    const auto missing = missing_values(*parsed.incomplete, overrides);
    said.insert(said.end(), missing.begin(), missing.end());
    sort_by_place(said);
  }
  return out + render(said, name, text, parsed.redactions);
}

std::string content_of(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST(Golden, EachFileIsShownAsItWas) {
  const fs::path folder = fs::path(DEVRUN_SOURCE_FOLDER) / "tests/unit/cli/launch/golden";
  size_t seen = 0;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().extension() != ".yaml") continue;
    ++seen;
    const std::string got = shown(entry.path().filename(), content_of(entry.path()));
    fs::path expected = entry.path();
    expected.replace_extension(".txt");
    if (std::getenv("DEVRUN_UPDATE_GOLDEN") != nullptr) {
      std::ofstream(expected, std::ios::binary) << got;
    }
    EXPECT_EQ(got, content_of(expected)) << entry.path();
  }
  EXPECT_GE(seen, 7u);
}

}  // namespace
}  // namespace devrun::launch
