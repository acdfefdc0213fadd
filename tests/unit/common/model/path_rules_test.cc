// Which paths are of which kind.
#include "common/model/path_rules.h"

#include <gtest/gtest.h>

namespace devrun {
namespace {

TEST(PathRules, DefaultsAreHomeForHomeAndCwd) {
  const PathRules rules = default_path_rules("/root", "/srv/proj");
  EXPECT_EQ(kind_of_path(rules, "/root"), PathKind::kHome);
  EXPECT_EQ(kind_of_path(rules, "/root/x/y"), PathKind::kHome);
  EXPECT_EQ(kind_of_path(rules, "/rooted"), PathKind::kKept);
  EXPECT_EQ(kind_of_path(rules, "/srv/proj/out"), PathKind::kHome);
  EXPECT_EQ(kind_of_path(rules, "/srv/other"), PathKind::kKept);
  EXPECT_EQ(kind_of_path(rules, "/usr/lib/x"), PathKind::kKept);
  EXPECT_EQ(kind_of_path(rules, "/tmp/x"), PathKind::kGone);
  EXPECT_EQ(kind_of_path(rules, "/var/tmp"), PathKind::kGone);
  EXPECT_EQ(kind_of_path(rules, "/var/lib"), PathKind::kKept);
  EXPECT_EQ(kind_of_path(rules, "/root/.cache/pip/x"), PathKind::kNode);
}

TEST(PathRules, NamesCountWhereverTheyStandBelow) {
  const PathRules rules = default_path_rules("/root", "/root/proj");
  EXPECT_EQ(kind_of_path(rules, "/root/proj/.git"), PathKind::kKept);
  EXPECT_EQ(kind_of_path(rules, "/root/a/b/.git/index"), PathKind::kKept);
  EXPECT_EQ(kind_of_path(rules, "/root/proj/.github/x"), PathKind::kHome);
  EXPECT_EQ(kind_of_path(rules, "/root/proj/pkg/__pycache__/m.pyc"), PathKind::kNode);
  EXPECT_EQ(kind_of_path(rules, "/usr/lib/__pycache__/m.pyc"), PathKind::kKept);
}

TEST(PathRules, TheLongestMatchDecidesThenThePlainThenTheLater) {
  PathRules rules = default_path_rules("/root", "/root");
  rules.push_back({"/root/data", {}, PathKind::kKept});
  rules.push_back({"/root/data/out", {}, PathKind::kHome});
  rules.push_back({"/root/proj/.git", {}, PathKind::kHome});
  EXPECT_EQ(kind_of_path(rules, "/root/data/x"), PathKind::kKept);
  EXPECT_EQ(kind_of_path(rules, "/root/data/out/x"), PathKind::kHome);
  EXPECT_EQ(kind_of_path(rules, "/root/proj/.git/HEAD"), PathKind::kHome);
  rules.push_back({"/root/data/out", {}, PathKind::kLive});
  EXPECT_EQ(kind_of_path(rules, "/root/data/out"), PathKind::kLive);
}

TEST(PathRules, ASystemFolderIsNotHomeByBeingTheCallers) {
  for (const char* cwd : {"/", "/usr", "/etc", ""}) {
    const PathRules rules = default_path_rules("/root", cwd);
    EXPECT_EQ(kind_of_path(rules, "/usr/x"), PathKind::kKept) << cwd;
    EXPECT_EQ(kind_of_path(rules, "/root/x"), PathKind::kHome) << cwd;
  }
  EXPECT_EQ(kind_of_path(default_path_rules("/", "/"), "/etc/x"), PathKind::kKept);
  EXPECT_EQ(kind_of_path(default_path_rules("/root", "/usr/src/x"), "/usr/src/x/y"),
            PathKind::kHome);
}

}  // namespace
}  // namespace devrun
