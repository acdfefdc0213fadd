// Restarts, deaths, undo, release: nothing is left, nothing is lost.
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <filesystem>
#include <fstream>

#include "agent/sandbox/lines.h"
#include "agent/shim/process_file.h"
#include "common/runtime/file.h"
#include "tests/unit/agent/sandbox/host.h"

namespace devrun::sandbox {
namespace {

using LifeTest = SandboxTest;

Found find_one(Sandboxes& sandboxes, const AttemptKey& key) {
  for (Found& found : *sandboxes.find()) {
    if (found.spec.key == key) return std::move(found);
  }
  ADD_FAILURE() << "not found";
  return {};
}

TEST_F(LifeTest, TheShimOutlivesItsStarter) {
  AttemptSpec spec = host_.shell("cat; exit 9");
  spec.program.reads_stdin = true;
  const pid_t starter = ::fork();
  if (starter == 0) ::_exit(host_.start(spec) ? 0 : 1);
  int status = 0;
  ASSERT_EQ(::waitpid(starter, &status, 0), starter);
  ASSERT_EQ(status, 0);
  host_.open();  // the next agent
  const Found found = find_one(host_.sandboxes(), spec.key);
  EXPECT_TRUE(found.shim_alive);
  EXPECT_EQ(found.spec, spec);
  EXPECT_FALSE(found.ending);
  Ear ear;
  const auto link = *shim::ShimLink::connect(host_.sandboxes().folder(spec.key), ear.handlers());
  ASSERT_TRUE(link->write_stdin(0, "hello", true));
  EXPECT_EQ(host_.wait(spec.key).status, 9);
  EXPECT_EQ(host_.out(spec.key), "hello");
  const Found ended = find_one(host_.sandboxes(), spec.key);
  EXPECT_EQ(ended.ending->status, 9);
  EXPECT_EQ(ended.output_bytes, 16 + 5);
}

TEST_F(LifeTest, AShimThatDiesTakesItsContainerAlong) {
  const AttemptSpec spec = host_.shell("echo ready; sleep 1000");
  ASSERT_TRUE(host_.start(spec));
  const Places places(host_.options().state_folder, spec.key);
  ASSERT_TRUE(eventually([&] { return !host_.out(spec.key).empty(); }));
  const auto shim = *shim::find_process(places.shim_process());
  const auto init = *shim::find_process(places.container_process());
  ASSERT_TRUE(shim && init);
  ASSERT_EQ(::kill(shim->pid, SIGKILL), 0);
  EXPECT_TRUE(eventually([&] { return !*shim::find_process(places.container_process()); }));
  EXPECT_TRUE(eventually([&] { return !*shim::find_process(places.shim_process()); }));
  const Found found = find_one(host_.sandboxes(), spec.key);
  EXPECT_FALSE(found.shim_alive);
  EXPECT_EQ(found.ending->cause, EndCause::kLost);
}

TEST_F(LifeTest, KillNeedsNoShim) {
  const AttemptSpec spec = host_.shell("echo ready; sleep 1000");
  ASSERT_TRUE(host_.start(spec));
  ASSERT_TRUE(eventually([&] { return !host_.out(spec.key).empty(); }));
  ASSERT_TRUE(host_.sandboxes().kill(spec.key));
  EXPECT_EQ(host_.wait(spec.key).status, 137);
  EXPECT_TRUE(host_.sandboxes().kill(spec.key));
  AttemptKey unknown;
  unknown.job = 999;
  EXPECT_TRUE(host_.sandboxes().kill(unknown));
}

// Fails at each step in turn, before and after it has done its work.
TEST(UndoTest, AfterAnyFailureNothingIsLeft) {
  const size_t count = all_steps().size();
  for (size_t fail_at = 0; fail_at < count; ++fail_at) {
    for (const bool after : {false, true}) {
      Host host;
      std::vector<Step> steps = all_steps();
      SCOPED_TRACE(std::string(steps[fail_at].name) + (after ? " done" : ""));
      const auto real = steps[fail_at].run;
      steps[fail_at].run = [=](sandbox::Setup& setup) -> Status {
        if (after) TRY(real(setup));
        return Error{Code::kIo, "made to fail", "try again"};
      };
      host.open(steps);
      const AttemptSpec spec = host.shell("sleep 1000");
      const Status started = host.start(spec);
      ASSERT_FALSE(started);
      EXPECT_EQ(started.error().message, "made to fail");
      EXPECT_EQ(host.wait(spec.key),
                (Ending{EndCause::kNotStarted, 125, "made to fail", "try again"}));
      EXPECT_EQ(host.mounts_below(), std::vector<std::string>{});
      EXPECT_TRUE(eventually([&] { return host.processes_naming().empty(); }));
      ASSERT_TRUE(host.sandboxes().release(spec.key));
      EXPECT_FALSE(std::filesystem::exists(host.sandboxes().folder(spec.key)));
    }
  }
}

TEST_F(LifeTest, ReleaseOfARunningAttemptLeavesTheUpperAlone) {
  const AttemptSpec spec = host_.shell("echo new > /home/ada/data; echo ready; sleep 1000");
  ASSERT_TRUE(host_.start(spec));
  ASSERT_TRUE(eventually([&] { return !host_.out(spec.key).empty(); }));
  ASSERT_TRUE(host_.sandboxes().release(spec.key));
  EXPECT_EQ(host_.mounts_below(), std::vector<std::string>{});
  EXPECT_EQ(host_.processes_naming(), std::vector<std::string>{});
  const std::string folder = host_.sandboxes().folder(spec.key);
  EXPECT_EQ(*read_file(folder + "/upper/home/ada/data"), "new\n");
  EXPECT_EQ(*read_file(host_.path("tree/home/ada/data")), "old\n") << "the tree is as it was";
  EXPECT_TRUE(host_.sandboxes().release(spec.key)) << "and again";
  const Found found = find_one(host_.sandboxes(), spec.key);
  EXPECT_TRUE(found.released);
  EXPECT_EQ(found.spec.env, "") << "secrets do not lie about";
  const Time now = wall_clock();
  ASSERT_TRUE(host_.sandboxes().collect(now));
  EXPECT_TRUE(std::filesystem::exists(folder));
  ASSERT_TRUE(host_.sandboxes().collect(now + seconds(25 * 3600)));
  EXPECT_TRUE(std::filesystem::exists(folder)) << "it is the only copy";
  const WrittenPlace place = *host_.sandboxes().written_place(spec.key);
  EXPECT_TRUE(place.released && !place.settled);
  EXPECT_EQ(place.upper, folder + "/upper");
  ASSERT_TRUE(host_.sandboxes().settle_written(spec.key));
  EXPECT_TRUE(host_.sandboxes().written_place(spec.key)->settled);
  ASSERT_TRUE(host_.sandboxes().collect(now + seconds(25 * 3600)));
  EXPECT_FALSE(std::filesystem::exists(folder));
  EXPECT_EQ(host_.sandboxes().written_place(spec.key).error().code, Code::kNotFound);
  EXPECT_TRUE(host_.sandboxes().release(spec.key)) << "never been here";
}

TEST_F(LifeTest, ALiveTreeIsWrittenDirectlyAndLeftWithoutOurMountPoints) {
  const std::string live = host_.path("volumes/ml/live");
  std::filesystem::create_directories(host_.path("volumes/ml"));
  std::filesystem::copy(
      host_.path("tree"), live,
      std::filesystem::copy_options::recursive | std::filesystem::copy_options::copy_symlinks);
  std::filesystem::remove_all(live + "/var");
  AttemptSpec spec = host_.shell("never run");
  spec.root.live = true;
  spec.dev_container = true;
  spec.program.cwd = "/";
  ASSERT_TRUE(host_.start(spec));
  SessionSpec session{"session-1-of-the-test",
                      host_
                          .shell("cat /etc/hosts > /home/ada/hosts; hostname; echo live > data; ls "
                                 "/usr/local/bin; ls /run; umask; id -u; id -G; "
                                 "(sleep 1000; true) & exit 3")
                          .program,
                      spec.env};
  session.program.caller = Caller{1000, 1001, {1001, 7}, 027, "ada", "/home/ada"};
  std::filesystem::permissions(live + "/home/ada", std::filesystem::perms::all);
  std::filesystem::permissions(live + "/home/ada/data", std::filesystem::perms::all);
  ASSERT_TRUE(host_.sandboxes().start_session(spec.key, session));
  EXPECT_EQ(host_.sandboxes().start_session(spec.key, session).error().code, Code::kExists);
  FoundSession found;
  ASSERT_TRUE(eventually([&] {
    found = *host_.sandboxes().find_session(spec.key, session.id);
    return found.ending.has_value();
  }));
  EXPECT_EQ(found.ending->status, 3) << found.ending->reason;
  EXPECT_EQ(found.uid, 1000u);
  EXPECT_EQ(stream_of(host_.sandboxes().session_folder(spec.key, session.id), 1),
            "ml\ndevrun\ndevrun\nlock\n0027\n1000\n1001 7\n");
  EXPECT_TRUE(find_one(host_.sandboxes(), spec.key).shim_alive) << "the container goes on";
  EXPECT_FALSE(host_.sandboxes().find_session(spec.key, "another-session-id"));
  ASSERT_TRUE(host_.sandboxes().remove_session(spec.key, session.id));
  EXPECT_TRUE(host_.sandboxes().find_sessions()->empty());
  EXPECT_EQ(*read_file(live + "/home/ada/data"), "live\n");
  EXPECT_NE(read_file(live + "/home/ada/hosts")->find("localhost"), std::string::npos);
  EXPECT_EQ(host_.sandboxes().written(spec.key)->files, 0u);
  ASSERT_TRUE(host_.sandboxes().kill(spec.key));
  host_.wait(spec.key);
  ASSERT_TRUE(host_.sandboxes().clear_mount_points(spec.key));
  EXPECT_FALSE(std::filesystem::exists(live + "/etc/hosts"));
  EXPECT_FALSE(std::filesystem::exists(live + "/usr/local/bin/devrun"));
  EXPECT_TRUE(host_.sandboxes().clear_mount_points(spec.key)) << "and again";
  ASSERT_TRUE(host_.sandboxes().release(spec.key));
  EXPECT_TRUE(std::filesystem::exists(live + "/home/ada/data")) << "a release removes no volume";
  EXPECT_FALSE(std::filesystem::exists(host_.sandboxes().folder(spec.key)));
}

// Two containers of one tree, as when the first one's node was given up and comes back.
TEST_F(LifeTest, AReleaseLeavesTheMountsOfWhoHasFollowed) {
  const std::string live = host_.path("volumes/ml/live");
  std::filesystem::create_directories(host_.path("volumes/ml"));
  std::filesystem::copy(
      host_.path("tree"), live,
      std::filesystem::copy_options::recursive | std::filesystem::copy_options::copy_symlinks);
  AttemptSpec first = host_.shell("never run");
  first.root.live = true;
  first.dev_container = true;
  first.program.cwd = "/";
  AttemptSpec second = first;
  second.key.job += 100;
  ASSERT_TRUE(host_.start(first));
  ASSERT_TRUE(host_.start(second));
  ASSERT_TRUE(host_.sandboxes().release(first.key));
  EXPECT_TRUE(std::filesystem::exists(live + "/etc/hosts"));
  const SessionSpec session{"session-2-of-the-test", host_.shell("cat /etc/hosts").program,
                            first.env};
  ASSERT_TRUE(host_.sandboxes().start_session(second.key, session));
  ASSERT_TRUE(eventually(
      [&] { return host_.sandboxes().find_session(second.key, session.id)->ending.has_value(); }));
  const std::string said = stream_of(host_.sandboxes().session_folder(second.key, session.id), 1);
  EXPECT_NE(said.find("localhost"), std::string::npos) << said;
  ASSERT_TRUE(host_.sandboxes().remove_session(second.key, session.id));
  ASSERT_TRUE(host_.sandboxes().release(second.key));
}

TEST_F(LifeTest, TheSocketsFolderIsBoundNotTheSocket) {
  const std::string sockets = host_.path("sockets/1");
  std::filesystem::create_directories(sockets);
  std::ofstream(sockets + "/socket") << "first";
  const AttemptSpec spec = host_.shell(
      "cat /run/devrun/socket; echo; echo ready; while ! grep -q second "
      "/run/devrun/socket; do sleep 0.02; done; (echo x > /run/devrun/new) 2>/dev/null; "
      "ls /run/devrun");
  ASSERT_TRUE(host_.sandboxes().start(spec, sockets + "/socket", Time{1}, {}));
  ASSERT_TRUE(eventually([&] { return host_.out(spec.key).find("ready") != std::string::npos; }));
  std::filesystem::remove(sockets + "/socket");
  std::ofstream(sockets + "/socket") << "second";
  EXPECT_EQ(host_.wait(spec.key).status, 0);
  EXPECT_EQ(host_.out(spec.key), "first\nready\nbin\ninit\nsocket\n");
  ASSERT_TRUE(host_.sandboxes().release(spec.key));
  EXPECT_FALSE(std::filesystem::exists(sockets + "/init"));
}

}  // namespace
}  // namespace devrun::sandbox
