// Folders of the site: a job that is root inside, or whoever root makes of itself, is the user there and nobody else. By
// mounts with other ids (ext4, xfs and btrfs images), and by a process that serves the folder as the user (an ext4, and an
// overlay, which takes no other ids and, as NFS does, believes those of whoever asks).
#include <fcntl.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <map>
#include <thread>
#include <utility>

#include "agent/sandbox/idmap.h"
#include "agent/sandbox/passwd.h"
#include "agent/sandbox/site_mounts.h"
#include "agent/sandbox/site_server.h"
#include "common/runtime/child.h"
#include "common/runtime/file.h"
#include "tests/unit/agent/sandbox/host.h"

namespace devrun::sandbox {
namespace {

constexpr uint32_t kAda = 1234;
constexpr uint32_t kStaff = 100;
constexpr uint32_t kTeam = 2000;
constexpr uint32_t kEve = 5000;
const SiteIdentity kWho{kAda, kStaff, {kTeam}};

// The processes that serve the user's folders.
std::vector<pid_t> servers() {
  std::vector<pid_t> out;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const Result<std::string> line = read_file(entry.path().string() + "/cmdline");
    if (line && line->find(std::string("--as-user\0"
                                       "1234:100,2000",
                                       23)) != std::string::npos) {
      out.push_back(std::stoi(entry.path().filename().string()));
    }
  }
  return out;
}

bool serves_somebody() {
  return !servers().empty();
}

class SiteTest : public testing::TestWithParam<const char*> {
 protected:
  static void SetUpTestSuite() {
    char name[] = "/tmp/devrun-site-XXXXXX";
    disks_ = ::mkdtemp(name);
  }
  static void TearDownTestSuite() {
    for (const auto& [kind, place] : mounted_) EXPECT_EQ(::umount2(place.c_str(), 0), 0) << kind;
    mounted_.clear();
    std::filesystem::remove_all(disks_);
  }
  void SetUp() override {
    const std::string disk = disk_of(kind());
    if (disk.empty()) GTEST_SKIP() << kind() << " cannot be made here";
    site_ = disk + "/" + std::to_string(++folders_);
    std::filesystem::create_directory(site_);
    fill();
    std::ofstream(host_.path("tree/etc/passwd"), std::ios::app) << "eve:x:5000:5000::/:/bin/sh\n";
    std::filesystem::create_symlink("busybox", host_.path("tree/bin/su"));
    open(mount());
  }
  void TearDown() override {
    if (const Result<std::vector<Found>> found = host_.sandboxes().find(); found) {
      for (const Found& one : *found) EXPECT_TRUE(host_.sandboxes().release(one.spec.key));
    }
    EXPECT_TRUE(eventually([] { return !serves_somebody(); })) << "it outlives its mount";
  }

  const std::string& site() const { return site_; }
  std::string kind() const {
    const std::string text = GetParam();
    return text.substr(0, text.find('_'));
  }
  bool is_overlay() const { return kind() == "overlay"; }
  bool is_served() const { return std::string_view(GetParam()).ends_with("_served"); }
  SiteMount mount() const {
    return {site(), "/site", false, is_served() ? SiteMount::Ids::kUser : SiteMount::Ids::kMapped};
  }

  void open(const SiteMount& mount, bool with_server = true) {
    Ground ground = host_.ground();
    ground.options.site_mounts = {mount};
    if (with_server) {
      ground.options.fs_program =
          std::filesystem::path(ground.options.shim_program).replace_filename("devrun-fs");
    }
    host_.open(std::move(ground));
  }

  // Where a file system of that kind is mounted, one for all tests; empty: there can be none.
  static std::string disk_of(const std::string& kind) {
    if (mounted_.contains(kind)) return mounted_[kind];
    const std::string base = disks_ + "/" + kind;
    const std::string place = base + ".mount";
    std::filesystem::create_directory(place);
    if (kind == "overlay") {
      for (const char* name : {".lower", ".upper", ".work"}) {
        std::filesystem::create_directory(base + name);
      }
      const std::string data =
          "lowerdir=" + base + ".lower,upperdir=" + base + ".upper,workdir=" + base + ".work";
      if (::mount("overlay", place.c_str(), "overlay", 0, data.c_str()) != 0) return {};
    } else {
      std::ofstream(base).close();
      std::filesystem::resize_file(base, size_t{400} << 20);
      const Result<ChildResult> made = run_child({"mkfs." + kind, "-q", base});
      if (!made || made->exit_status != 0) return {};
      const Result<ChildResult> done = run_child({"mount", "-o", "loop", base, place});
      if (!done || done->exit_status != 0) return {};
    }
    return mounted_[kind] = place;
  }

  void make(const std::string& path, uint32_t uid, uint32_t gid, mode_t mode,
            const std::string& text) {
    std::ofstream(site() + path) << text;
    set(path, uid, gid, mode);
  }
  void make_folder(const std::string& path, uint32_t uid, uint32_t gid, mode_t mode) {
    std::filesystem::create_directory(site() + path);
    set(path, uid, gid, mode);
  }
  void set(const std::string& path, uint32_t uid, uint32_t gid, mode_t mode) {
    ASSERT_EQ(::lchown((site() + path).c_str(), uid, gid), 0);
    ASSERT_EQ(::chmod((site() + path).c_str(), mode), 0);
  }
  void fill() {
    set("", 0, 0, 01777);
    make_folder("/own", kAda, kStaff, 0700);
    make("/own/mine", kAda, kStaff, 0600, "mine\n");
    make_folder("/team", 0, kTeam, 02770);
    make("/team/notes", kEve, kTeam, 0640, "notes\n");
    make("/team/board", kEve, kTeam, 0660, "board\n");
    make("/theirs", kEve, kEve, 0600, "theirs\n");
    make("/roots", 0, 0, 0600, "roots\n");
    make("/all", 0, 0, 0644, "all\n");
    make_folder("/drop", 0, 0, 01777);
  }

  // As root inside.
  std::string say(const std::string& script) {
    AttemptSpec spec = host_.shell(script);
    spec.site_identity = kWho;
    return say(spec);
  }
  std::string say(const AttemptSpec& spec) {
    const Ending ending = host_.run(spec);
    EXPECT_EQ(ending.status, 0) << ending.reason << host_.err(spec.key);
    return host_.out(spec.key);
  }
  std::string owner(const std::string& path) const {
    struct stat about {};
    if (::lstat((site() + path).c_str(), &about) != 0) return "absent";
    return std::to_string(about.st_uid) + ":" + std::to_string(about.st_gid);
  }
  std::string text(const std::string& path) const {
    const Result<std::string> text = read_file(site() + path);
    return text ? *text : "cannot be read";
  }

  static inline std::string disks_;
  static inline std::map<std::string, std::string> mounted_;
  static inline int folders_ = 0;
  std::string site_;
  Host host_;
};

TEST_P(SiteTest, WhatRootInsideMakesIsTheUsers) {
  EXPECT_EQ(say("cat /site/own/mine /site/all /site/team/notes && echo new > /site/own/new && "
                "mkdir /site/own/folder && ln -s mine /site/own/link && "
                "cat /site/own/link && stat -c %u:%g /site/own/mine && chown 0:0 /site/own/mine && "
                "echo more >> /site/own/mine && mv /site/own/new /site/own/newer && "
                "busybox chgrp 2000 /site/own/folder && echo fine"),
            "mine\nall\nnotes\nmine\n0:0\nfine\n");
  EXPECT_EQ(owner("/own/newer"), "1234:100");
  EXPECT_EQ(owner("/own/folder"), "1234:2000");
  EXPECT_EQ(owner("/own/link"), "1234:100");
  EXPECT_EQ(owner("/own/mine"), "1234:100");
  EXPECT_EQ(text("/own/mine"), "mine\nmore\n");
}

TEST_P(SiteTest, TheUsersGroupsCountWhereItIsServed) {
  say("echo t > /site/team/new; echo more >> /site/team/board; echo d > /site/drop/d; true");
  EXPECT_EQ(owner("/team/new"), is_served() ? "1234:2000" : "absent");
  EXPECT_EQ(text("/team/board"), is_served() ? "board\nmore\n" : "board\n");
  EXPECT_EQ(owner("/drop/d"), is_served() ? "1234:100" : "absent");
}

TEST_P(SiteTest, ACallerWithAnIdOfTheirOwnIsTheUserToo) {
  AttemptSpec spec = host_.shell("id -u; stat -c %u:%g /site/own/mine; echo x > /site/own/x");
  spec.site_identity = kWho;
  spec.program.caller.uid = 1000;
  spec.program.caller.gid = 1000;
  EXPECT_EQ(say(spec), "1000\n1000:1000\n");
  EXPECT_EQ(owner("/own/x"), "1234:100");
}

TEST_P(SiteTest, RootInsideHasNoPowerOverOthersFiles) {
  const std::string script =
      "try() { \"$@\" > /dev/null 2>&1 && echo \"DONE $*\"; }\n"
      "try cat /site/theirs; try cat /site/roots\n"
      "try sh -c 'echo x >> /site/all'; try sh -c 'echo x >> /site/theirs'\n"
      "try rm -f /site/theirs; try mv /site/roots /site/own/roots; try rm -rf /site/team/notes/x\n"
      "try chmod 666 /site/theirs; try chown 0 /site/theirs; try chown 1234 /site/theirs\n"
      "try chown 5000 /site/own/mine; try chgrp 5000 /site/own/mine\n"
      "try busybox mknod /site/own/disk b 8 0; try busybox mknod /site/own/null c 1 3\n"
      "try su eve -c 'cat /site/theirs'; try su eve -c 'cat /site/roots'\n"
      "try su eve -c 'rm -f /site/theirs'\n"
      "try busybox unshare -U -r cat /site/theirs; try busybox unshare -U -r cat /site/roots\n"
      "try busybox unshare -U -r -m mount --bind /site /tmp/x\n"
      "try busybox unshare -U -r chown 0:0 /site/theirs\n"
      "true";
  EXPECT_EQ(say(script), "");
  EXPECT_EQ(owner("/theirs"), "5000:5000");
  EXPECT_EQ(text("/theirs"), "theirs\n");
  EXPECT_EQ(owner("/own/mine"), "1234:100");
  EXPECT_EQ(owner("/own/disk"), "absent");
}

TEST_P(SiteTest, WhoRootBecomesInsideIsNobodyElseOutside) {
  say("chmod 777 /site/own; su eve -c 'echo e > /site/own/eve; mkdir /site/own/sub' 2>/dev/null; "
      "true");
  // A mount with other ids has the caller's alone; the process that serves does not care who asks.
  EXPECT_EQ(owner("/own/eve"), is_served() ? "1234:100" : "absent");
  EXPECT_EQ(owner("/own/sub"), is_served() ? "1234:100" : "absent");
}

TEST_P(SiteTest, ASetuidProgramThereMakesNobodyRoot) {
  EXPECT_EQ(
      say("chmod 711 /site/own; cp /bin/busybox /site/own/ && chmod 6755 /site/own/busybox && "
          "su eve -c '/site/own/busybox id -u'"),
      "5000\n");
  EXPECT_EQ(owner("/own/busybox"), "1234:100");
}

TEST_P(SiteTest, IsAFileSystemForProgramsToWorkIn) {
  EXPECT_EQ(
      say("set -e; cd /site/own; dd if=/dev/urandom of=big bs=1M count=9 2>/dev/null\n"
          "cp big copy; cmp big copy; sha1sum big copy | busybox cut -c1-40 | uniq | wc -l\n"
          "i=0; mkdir many; while [ $i -lt 700 ]; do : > many/$i; i=$((i+1)); done; ls many | wc "
          "-l\n"
          "rm -r many; echo one > a; echo two >> a; cat a; echo 3 > a; cat a\n"
          "ln a b; stat -c %h a; rm a; cat b; busybox truncate -s 5 b; stat -c %s b\n"
          "busybox mkfifo f; touch -d @1000 b; stat -c %Y b; chmod 640 b; stat -c %a b\n"
          "exec 3> gone; rm gone; echo into >&3; exec 3>&-\n"
          "umask 027; mkdir d; stat -c %a d; busybox df . > /dev/null; mv d e; rmdir e; ls\n"),
      "1\n700\none\ntwo\n3\n2\n3\n5\n1000\n640\n750\nb\nbig\ncopy\nf\nmine\n");
  EXPECT_EQ(owner("/own/big"), "1234:100");
}

TEST_P(SiteTest, WhatIsWrittenElsewhereIsSeen) {
  AttemptSpec spec = host_.shell(
      "cat /site/own/mine; until grep -q new /site/own/mine; do sleep 0.05; done; "
      "cat /site/own/mine");
  spec.site_identity = kWho;
  ASSERT_TRUE(host_.start(spec));
  EXPECT_TRUE(eventually([&] { return host_.out(spec.key) == "mine\n"; }));
  // As long as before, so that its size does not tell.
  std::ofstream(site() + "/own/mine") << "new!\n";
  EXPECT_EQ(host_.wait(spec.key).status, 0);
  EXPECT_EQ(host_.out(spec.key), "mine\nnew!\n");
}

// As behind a filer that is away: the process that serves the folder waits in the kernel, and so does whoever has asked it, where
// SIGKILL does not reach. The filer is another such folder, whose process is stopped.
TEST_P(SiteTest, AJobCanBeKilledWhileItsFolderDoesNotAnswer) {
  if (!is_served() || is_overlay()) GTEST_SKIP() << "once is enough";
  const std::string filer = host_.path("filer");
  std::filesystem::create_directory(filer);
  Options options = host_.options();
  options.fs_program =
      std::filesystem::path(options.shim_program).replace_filename("devrun-fs").string();
  ASSERT_TRUE(serve_site_mount(options, {site() + "/own", "/site", false}, kWho, Caller{}, filer,
                               host_.path("filer.log")));
  const std::vector<pid_t> behind = servers();
  ASSERT_EQ(behind.size(), 1u);
  open({filer, "/site", false});
  AttemptSpec spec = host_.shell("while cat /site/mine; do :; done");
  spec.site_identity = kWho;
  ASSERT_TRUE(host_.start(spec));
  ASSERT_TRUE(eventually([&] { return host_.out(spec.key).starts_with("mine\n"); }));
  ::kill(behind[0], SIGSTOP);
  size_t said = 0;
  ASSERT_TRUE(eventually([&] {
    const size_t before = std::exchange(said, host_.out(spec.key).size());
    std::this_thread::sleep_for(std::chrono::milliseconds(1500));
    return host_.out(spec.key).size() == said && before != 0;
  })) << "it waits";
  const Status killed = host_.sandboxes().kill(spec.key);
  EXPECT_TRUE(killed) << killed.error().message;
  EXPECT_EQ(host_.wait(spec.key).status, 137);
  ::kill(behind[0], SIGCONT);
  EXPECT_TRUE(host_.sandboxes().release(spec.key));
  EXPECT_EQ(::umount2(filer.c_str(), MNT_DETACH), 0);
}

TEST_P(SiteTest, ReadOnlyIsReadOnly) {
  SiteMount read_only = mount();
  read_only.read_only = true;
  open(read_only);
  EXPECT_EQ(say("cat /site/own/mine; echo x > /site/own/x || echo not"), "mine\nnot\n");
}

TEST_P(SiteTest, WithTheContainersIdsRootIsRoot) {
  open({site(), "/site", false, SiteMount::Ids::kContainer});
  EXPECT_EQ(say("cat /site/roots /site/theirs; echo x > /site/x"), "roots\ntheirs\n");
  EXPECT_EQ(owner("/x"), "0:0");
}

TEST_P(SiteTest, WhoIsNotKnownFindsAnEmptyFolderThatSaysWhy) {
  AttemptSpec spec = host_.shell("ls /site; cat /site/*; echo x > /site/x || echo not");
  spec.user = "nobody-knows-me";
  const std::string said = say(spec);
  EXPECT_TRUE(
      said.starts_with("NOT-MOUNTED\n/site cannot be in the job: this node's passwd has no "
                       "user 'nobody-knows-me'. Try: devrun user ids nobody-knows-me"))
      << said;
  EXPECT_TRUE(said.ends_with("\nnot\n")) << said;
  spec = host_.shell("true");
  spec.user = "nobody-knows-me";
  spec.program.cwd = "/site/own";
  EXPECT_EQ(host_.run(spec).reason,
            "/site cannot be in the job: this node's passwd has no user 'nobody-knows-me'");
}

// Their jobs go on, and the node's passwd may have somebody else of that name.
TEST_P(SiteTest, WhoIsNoUserAnyMoreIsNobody) {
  AttemptSpec spec = host_.shell("cat /site/*");
  spec.user = "daemon";
  spec.nobody_on_sites = true;
  EXPECT_EQ(say(spec), "/site cannot be in the job: 'daemon' is no user of the cluster any more\n");
}

TEST_P(SiteTest, TheCallersFolderMayBeThere) {
  AttemptSpec spec = host_.shell("pwd; cat mine");
  spec.site_identity = kWho;
  spec.program.cwd = "/site/own";
  EXPECT_EQ(say(spec), "/site/own\nmine\n");
  spec = host_.shell("true");
  spec.site_identity = kWho;
  spec.program.cwd = "/site/nothing";
  EXPECT_EQ(host_.run(spec).status, 125);
}

TEST_P(SiteTest, WithoutOtherIdsAndWithoutAServerItIsNotThere) {
  open(mount(), false);
  const std::string said = say("cat /site/NOT-MOUNTED || cat /site/own/mine");
  EXPECT_EQ(said, is_served() ? "/site cannot be in the job: its file system cannot give users "
                                "other ids\n"
                              : "mine\n");
}

TEST_P(SiteTest, OneThatTheNodeDoesNotHaveIsNamedWithWhatToDo) {
  open({site() + "/nowhere", "/site", true});
  AttemptSpec spec = host_.shell("true");
  spec.site_identity = kWho;
  const Ending ending = host_.run(spec);
  EXPECT_EQ(ending.status, 125);
  EXPECT_TRUE(ending.reason.starts_with("site mount /site: ")) << ending.reason;
  EXPECT_NE(ending.hint.find("site_mounts"), std::string::npos) << ending.hint;
}

TEST_P(SiteTest, WhatIsReadOnlyIsMappedWhereItCanBe) {
  open({site(), "/site", true});
  say("cat /site/own/mine /site/team/notes");
  EXPECT_EQ(serves_somebody(), is_overlay());
}

INSTANTIATE_TEST_SUITE_P(On, SiteTest,
                         testing::Values("ext4_mapped", "xfs_mapped", "btrfs_mapped", "ext4_served",
                                         "overlay_served"),
                         [](const auto& one) { return std::string(one.param); });

TEST(SiteIdMap, HasTheUserAndTheirGroupsAlone) {
  const IdMap map = site_id_map({1234, 100, {2000, 3000}}, 0, 0);
  EXPECT_EQ(map.uids, (std::vector<IdPair>{{1234, 0}}));
  EXPECT_EQ(map.gids, (std::vector<IdPair>{{100, 0}, {2000, 2000}, {3000, 3000}}));
  // The caller's group has the number of another of the user's.
  EXPECT_EQ(site_id_map({1234, 100, {2000}}, 1000, 2000).gids,
            (std::vector<IdPair>{{100, 2000}, {2000, 100}}));
}

TEST(Passwd, IsWhatGetentPrints) {
  const Result<SiteIdentity> ada = identity_from_getent(
      "ada:x:1234:100:Ada:/home/ada:/bin/bash\n", "ada                   100 0 3000 2000 3000\n");
  ASSERT_TRUE(ada) << ada.error().message;
  EXPECT_EQ(*ada, (SiteIdentity{1234, 100, {2000, 3000}}));
  EXPECT_FALSE(identity_from_getent("ada:x:0:0::/:/bin/sh\n", ""));
  EXPECT_FALSE(identity_from_getent("daemon:x:1:1::/:/bin/sh\n", ""));
  EXPECT_FALSE(identity_from_getent("ada:x:1234:0::/:/bin/sh\n", "")) << "root's group";
  EXPECT_FALSE(identity_from_getent("", ""));
}

TEST(Passwd, OfThisNodeHasNoRootForAnybody) {
  const Passwd passwd = passwd_of_node();
  EXPECT_EQ(passwd("root").error().code, Code::kInvalid);
  EXPECT_EQ(passwd("no-such-user-here").error().code, Code::kNotFound);
  EXPECT_EQ(passwd("-V").error().code, Code::kNotFound) << "no option of getent's";
}

}  // namespace
}  // namespace devrun::sandbox
