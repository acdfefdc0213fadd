// The table of rights: each line once, and as docs/security.md shows it.
#include "controller/access/rights.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <fstream>
#include <set>
#include <sstream>

namespace devrun::controller {
namespace {

std::string line_of(const Right& right) {
  return fmt::format("| {}.{} | {} | {} | {} | {} |", right.service, right.call,
                     by_in_words(right.by), level_name(right.job), level_name(right.volume),
                     right.changes ? "yes" : "");
}

TEST(Rights, EveryCallHasOneLine) {
  std::set<std::string_view> calls;
  for (const Right& right : rights()) {
    EXPECT_TRUE(calls.insert(right.call).second) << right.call;
    EXPECT_NE(right.by, 0u) << right.call;
    EXPECT_EQ(&right_of(right.call), &right);
    const std::string path = fmt::format("/devrun.v1.{}/{}", right.service, right.call);
    EXPECT_EQ(right_of_path(path), &right);
    EXPECT_EQ(right_of_path(path + "x"), nullptr);
  }
  EXPECT_EQ(right_of_path("/grpc.health.v1.Health/Check"), nullptr);
  EXPECT_EQ(right_of_path("/devrun.v1.Client/"), nullptr);
}

TEST(Rights, WhoOnlyLooksChangesNothingAndReadsNothing) {
  for (const Right& right : rights()) {
    if ((right.by & kByReader) == 0) continue;
    EXPECT_FALSE(right.changes && right.service != "Enrolment") << right.call;
    EXPECT_LE(right.job, Level::kSee) << right.call;
    EXPECT_LE(right.volume, Level::kSee) << right.call;
  }
}

TEST(Rights, AreWhatTheDocumentsSay) {
  std::ifstream file(DEVRUN_SOURCE_FOLDER "/docs/security.md");
  std::stringstream text;
  text << file.rdbuf();
  std::string expected;
  for (const Right& right : rights()) expected += line_of(right) + "\n";
  EXPECT_NE(text.str().find(expected), std::string::npos)
      << "docs/security.md should have, in this order:\n"
      << expected;
}

}  // namespace
}  // namespace devrun::controller
