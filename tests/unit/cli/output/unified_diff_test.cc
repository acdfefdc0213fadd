// Patches: the format, and that applying one to the old text gives the new one.
#include "cli/output/unified_diff.h"

#include <gtest/gtest.h>

#include <fstream>
#include <random>

namespace devrun::cli {
namespace {

TEST(UnifiedDiff, ShowsWhatDiffersWithItsSurroundings) {
  std::string before;
  for (int i = 1; i <= 30; ++i) before += "line " + std::to_string(i) + "\n";
  std::string after = before;
  after.replace(after.find("line 5\n"), 7, "five\n");
  after.insert(after.find("line 20\n"), "new\n");
  EXPECT_EQ(
      unified_diff(before, after, "a", "b"),
      "--- a\n+++ b\n"
      "@@ -2,7 +2,7 @@\n line 2\n line 3\n line 4\n-line 5\n+five\n line 6\n line 7\n line 8\n"
      "@@ -17,6 +17,7 @@\n line 17\n line 18\n line 19\n+new\n line 20\n line 21\n line 22\n");
  EXPECT_EQ(unified_diff(before, before, "a", "b"), "");
}

TEST(UnifiedDiff, KnowsEmptyTextsMissingNewlinesAndBinaries) {
  EXPECT_EQ(unified_diff("", "x\n", "a", "b"), "--- a\n+++ b\n@@ -0,0 +1 @@\n+x\n");
  EXPECT_EQ(unified_diff("x", "x\n", "a", "b"),
            "--- a\n+++ b\n@@ -1 +1 @@\n-x\n\\ No newline at end of file\n+x\n");
  EXPECT_EQ(unified_diff(std::string_view("\0", 1), "x", "a", "b"),
            "Binary files a and b differ\n");
}

TEST(UnifiedDiff, RandomPatchesApply) {
  std::mt19937 random(11);
  const std::string folder = ::testing::TempDir();
  for (int round = 0; round < 30; ++round) {
    const auto text = [&] {
      std::string out;
      for (size_t i = random() % 60; i > 0; --i) {
        out += std::string(1, static_cast<char>('a' + random() % 5)) + "\n";
      }
      return out;
    };
    const std::string before = text();
    const std::string after = text();
    if (before == after) continue;
    std::ofstream(folder + "/old") << before;
    std::ofstream(folder + "/patch") << unified_diff(before, after, "old", "old");
    ASSERT_EQ(std::system(("cd " + folder + " && patch -s old < patch").c_str()), 0)
        << unified_diff(before, after, "old", "old");
    std::ifstream in(folder + "/old");
    const std::string got((std::istreambuf_iterator<char>(in)), {});
    EXPECT_EQ(got, after);
  }
}

}  // namespace
}  // namespace devrun::cli
