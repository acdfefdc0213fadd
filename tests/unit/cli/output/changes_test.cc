// Change sets, what taking them did, and packages by name.
#include <gtest/gtest.h>

#include "cli/output/changes_output.h"
#include "cli/output/console.h"
#include "cli/output/packages.h"
#include "cli/output/paths_output.h"

namespace devrun::cli {
namespace {

using Kind = ChangeRecord::Kind;

ChangeRecord folder(std::string path, Kind kind) {
  ChangeRecord out;
  out.path = std::move(path);
  out.kind = kind;
  (kind == Kind::kCreated ? out.type_after : out.type_before) = 'd';
  return out;
}

std::string said(const std::vector<TakenRecord>& taken, Take how) {
  std::string out;
  for (const Words& words : taken_words(taken, how, "42")) {
    out += format_words(words.message, words.hint) + "\n";
  }
  return out;
}

TEST(Changes, Lines) {
  JobChangeRecord change{"/root/a b\n", 'A', JobChangeRecord::State::kHome, '-', 0, 1 << 20};
  EXPECT_EQ(job_change_line(change, ""), "A   1.0 MB  home      /root/a b\\x0a\n");
  change = {"/usr/x", 'D', JobChangeRecord::State::kKept, '-', 5, 0};
  EXPECT_EQ(job_change_line(change, "42.1#2"), "42.1#2  D        -  kept      /usr/x\n");
  change = {"/root/d", 'M', JobChangeRecord::State::kConflict, 'd', 0, 0};
  EXPECT_EQ(job_change_line(change, ""), "M        -  conflict  /root/d/\n");
  EXPECT_EQ(
      job_change_json(change, {42, kNoTask, 1, 2}),
      "{\"job\":42,\"task\":null,\"rank\":1,\"attempt\":2,\"path\":\"/root/d\",\"kind\":\"M\","
      "\"state\":\"conflict\",\"type\":\"d\",\"size_before\":0,\"size_after\":0}\n");
}

TEST(Changes, WhatWasTaken) {
  EXPECT_EQ(said({}, Take::kIn),
            "devrun: nothing of job 42 is left to take. Try: devrun changes 42\n");
  EXPECT_EQ(said({{{42, kNoTask, 0, 1}, 1, 5, 0, {}, 0}}, Take::kIn),
            "devrun: 1 file, 5 B of job 42 is in the volume. Try: devrun undo 42, to take it out "
            "again\n");
  const std::vector<TakenRecord> two = {{{42, 0, 0, 1}, 2, 1024, 1, {"/root/a"}, 1},
                                        {{42, 1, 0, 1}, 1, 0, 0, {"/root/b\x1b"}, 1}};
  EXPECT_EQ(said(two, Take::kBeside),
            "devrun: 3 files, 1.0 KB of job 42 are in the volume, 1 of these as NAME.devrun-JOB. "
            "Try: devrun undo 42, to take them out again\n"
            "devrun: 1 file was changed in the volume meanwhile: left as in the volume. Try: "
            "devrun apply --beside 42 [PATH], or --over in place of --beside\n");
  EXPECT_EQ(left_in_the_way(two, Take::kBeside), 1u);
  EXPECT_EQ(left_in_the_way(two, Take::kIn), 2u);
  EXPECT_NE(said(two, Take::kIn)
                .find("devrun: 2 files were changed in the volume meanwhile: left "
                      "as in the volume\n"
                      "devrun:   /root/a\n"
                      "devrun:   /root/b\\x1b\n"),
            std::string::npos);
  EXPECT_EQ(
      said({{{42, kNoTask, 0, 1}, 2, 5, 0, {"/root/x"}, 1}}, Take::kOut),
      "devrun: 2 files of job 42 are out of the volume again\n"
      "devrun: 1 file was changed since it came home, or another job wrote it too: left as in the "
      "volume\n"
      "devrun:   /root/x\n"
      "devrun: Try: devrun changes 42\n");
  EXPECT_EQ(taken_json({}), "{\"change_sets\":[]}\n");
}

TEST(Packages, DistInfoFolders) {
  EXPECT_FALSE(dist_info_of("/x/numpy"));
  EXPECT_FALSE(dist_info_of("/x/numpy.dist-info"));
  const auto found = dist_info_of("/usr/lib/python3/typing_extensions-4.8.0.dist-info");
  ASSERT_TRUE(found);
  EXPECT_EQ(found->site, "/usr/lib/python3");
  EXPECT_EQ(found->name, "typing_extensions");
  EXPECT_EQ(found->version, "4.8.0");
}

TEST(Packages, AnotherVersionIsOneChange) {
  const auto changes = python_changes({folder("/s/numpy-1.24.4.dist-info", Kind::kDeleted),
                                       folder("/s/numpy-1.26.0.dist-info", Kind::kCreated),
                                       folder("/s/requests-2.31.dist-info", Kind::kCreated),
                                       folder("/s/six-1.16.dist-info", Kind::kDeleted),
                                       folder("/s/numpy", Kind::kAttributes)});
  std::string lines;
  for (const PackageChange& one : changes) lines += package_line(one);
  EXPECT_EQ(lines, "P numpy 1.24.4 → 1.26.0\nP + requests 2.31\nP - six 1.16\n");
  EXPECT_EQ(package_json(changes[1]),
            "{\"package\":\"requests\",\"by\":\"python\",\"before\":null,\"after\":\"2.31\"}\n");
}

TEST(Packages, Dpkg) {
  const DpkgPackages before = parse_dpkg_status(
      "Package: libc6\nStatus: install ok installed\nArchitecture: amd64\nMulti-Arch: same\n"
      "Version: 2.36-9\nDescription: a\n Version: not this\n\n"
      "Package: gone\nStatus: deinstall ok config-files\nVersion: 1\n\n"
      "Package: vim\nStatus: install ok installed\nVersion: 2:9.0\n");
  EXPECT_EQ(before, (DpkgPackages{{"libc6:amd64", "2.36-9"}, {"vim", "2:9.0"}}));
  const DpkgPackages after = {{"libc6:amd64", "2.36-10"}, {"nano", "7.2"}};
  std::string lines;
  for (const PackageChange& one : debian_changes(before, after)) lines += package_line(one);
  EXPECT_EQ(lines, "P libc6:amd64 2.36-9 → 2.36-10\nP - vim 2:9.0\nP + nano 7.2\n");
}

TEST(Packages, WhatIsTheirs) {
  PackageFiles files;
  files.add(
      files_of_record("numpy/__init__.py,sha256=x,12\n\"numpy/a,b.py\",,\n"
                      "../../../bin/f2py,sha256=y,3\r\n\n",
                      "/usr/lib/python3/site-packages"));
  files.add_folder("/var/lib/dpkg");
  const std::string site = "/usr/lib/python3/site-packages";
  for (const std::string& path :
       {site + "/numpy/__init__.py", site + "/numpy/a,b.py", site + "/numpy", site,
        site + "/numpy/__pycache__", site + "/numpy/__pycache__/x.pyc",
        std::string("/usr/bin/f2py"), std::string("/var/lib/dpkg/status")}) {
    EXPECT_TRUE(files.owns(path)) << path;
  }
  for (const std::string& path :
       {site + "/numpy/mine.py", site + "/mine.py", site + "/scipy/__pycache__/x.pyc",
        std::string("/usr/bin/vim"), std::string("/var/lib/dpkg2")}) {
    EXPECT_FALSE(files.owns(path)) << path;
  }
}

TEST(Paths, WhoSaysWhat) {
  VolumePathsRecord paths;
  paths.volume = "ada";
  paths.defaults = {{"/root", {}, PathKind::kHome}, {"/root", ".git", PathKind::kKept}};
  paths.set = {{"/root", {}, PathKind::kKept}, {"/", "out", PathKind::kHome}};
  paths.sites = {{"/datasets", {"node1", "node2"}}};
  EXPECT_EQ(paths_text(paths),
            "PATH          KIND  SET BY\n"
            "/datasets     site  site (node1, node2)\n"
            "/root         kept  volume\n"
            "/root/…/.git  kept  default\n"
            "/…/out        home  volume\n"
            "all else      kept  default\n");
  EXPECT_TRUE(paths_json(paths).starts_with(
      "{\"volume\":\"ada\",\"paths\":[{\"path\":\"/datasets\",\"kind\":\"site\","))
      << paths_json(paths);
}

}  // namespace
}  // namespace devrun::cli
