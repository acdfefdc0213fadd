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

TEST(PathRules, APathIsOnTheDeepestMountAboveIt) {
  PathRules rules = default_path_rules("/root", "/root");
  rules.push_back({"/lustre", {}, PathKind::kSite});
  rules.push_back({"/lustre/home", {}, PathKind::kSite});
  rules.push_back({"/lustre/here", {}, PathKind::kLive});
  EXPECT_EQ(site_of_path(rules, "/lustre"), "/lustre");
  EXPECT_EQ(site_of_path(rules, "/lustre/x"), "/lustre");
  EXPECT_EQ(site_of_path(rules, "/lustre/homes"), "/lustre");
  EXPECT_EQ(site_of_path(rules, "/lustre/home/ada"), "/lustre/home");
  EXPECT_EQ(site_of_path(rules, "/lustre/here/x"), "");
  EXPECT_EQ(site_of_path(rules, "/lustrex"), "");
  EXPECT_EQ(site_of_path(rules, "/root"), "");
  // What the volume says of a folder there moves no mount.
  rules.push_back({"/lustre/x", {}, PathKind::kHome});
  EXPECT_EQ(site_of_path(rules, "/lustre/x/y"), "/lustre");
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

TEST(PathRules, WhatCanBeARule) {
  for (const char* path : {"/", "/a", "/a b/c.d", "/..a/b.."}) EXPECT_TRUE(is_plain_path(path));
  for (const char* path : {"", "a", "/a/", "//", "/a//b", "/.", "/a/../b", "/a\nb"}) {
    EXPECT_FALSE(is_plain_path(path)) << path;
  }
  const auto refused = [](PathRule rule) {
    const Status checked = check_path_rule(rule);
    return checked ? std::string() : checked.error().message;
  };
  EXPECT_EQ(refused({"/data", {}, PathKind::kHome}), "");
  EXPECT_EQ(refused({"/", {}, PathKind::kHome}), "");
  EXPECT_EQ(refused({"/", "node_modules", PathKind::kNode}), "");
  EXPECT_EQ(refused({"data", {}, PathKind::kHome}),
            "home path 'data': expected an absolute path without '.', '..' or '//'");
  EXPECT_EQ(refused({"/", {}, PathKind::kNode}),
            "node path '/': it cannot be all of the volume: choose a folder in it");
  EXPECT_EQ(refused({"/tmp/x", {}, PathKind::kLive}),
            "live path '/tmp/x': /tmp starts empty in every job and goes with it");
  EXPECT_EQ(refused({"/", "data", PathKind::kLive}), "live path 'data': expected an absolute path");
  EXPECT_EQ(refused({"/x", {}, PathKind::kSite}),
            "site path '/x': a path can be made home, node, kept or live");
}

}  // namespace
}  // namespace devrun
