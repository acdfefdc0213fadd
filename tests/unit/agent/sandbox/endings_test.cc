// How programs end, and what a caller is told of it.
#include "tests/unit/agent/sandbox/host.h"

namespace devrun::sandbox {
namespace {

using EndingsTest = SandboxTest;

TEST_F(EndingsTest, StatusIsTheProgramsOwn) {
  const AttemptSpec spec = host_.shell("exit 42");
  EXPECT_EQ(host_.run(spec), (Ending{EndCause::kExited, 42, "", ""}));
}

TEST_F(EndingsTest, AProgramCanKillItself) {
  const Ending ending = host_.run(host_.shell("kill -9 $$"));
  EXPECT_EQ(ending.cause, EndCause::kExited);
  EXPECT_EQ(ending.status, 137);
  EXPECT_EQ(ending.reason, "killed by signal 9 (KILL)");
}

TEST_F(EndingsTest, NotFoundIs127) {
  const Ending ending = host_.run(host_.spec({"nosuch", "x"}));
  EXPECT_EQ(ending.cause, EndCause::kExited);
  EXPECT_EQ(ending.status, 127);
  EXPECT_EQ(ending.reason, "nosuch: command not found");
}

TEST_F(EndingsTest, NotExecutableIs126) {
  EXPECT_EQ(host_.run(host_.spec({"./not_a_program"})).status, 126);
  EXPECT_EQ(host_.run(host_.spec({"/home/ada"})).status, 126);
}

TEST_F(EndingsTest, AMissingInterpreterIs126) {
  const Ending ending = host_.run(host_.spec({"./bad_interpreter"}));
  EXPECT_EQ(ending.status, 126);
  EXPECT_NE(ending.reason.find("interpreter"), std::string::npos);
}

TEST_F(EndingsTest, NothingOfOursIsInTheOutput) {
  const AttemptSpec spec = host_.spec({"nosuch"});
  host_.run(spec);
  EXPECT_EQ(host_.out(spec.key), "");
  EXPECT_EQ(host_.err(spec.key), "");
}

TEST_F(EndingsTest, AMissingFolderIs125AndRunsNothing) {
  AttemptSpec spec = host_.shell("echo ran > /home/ada/ran");
  spec.program.cwd = "/home/ada/nowhere";
  const Ending ending = host_.run(spec);
  EXPECT_EQ(ending.cause, EndCause::kNotStarted);
  EXPECT_EQ(ending.fault, Fault::kCaller);
  EXPECT_EQ(ending.status, 125);
  EXPECT_EQ(ending.reason,
            "the job would not have the folder /home/ada/nowhere: it is not in the volume");
  EXPECT_EQ(host_.wait(spec.key), ending) << "the exit record says the same";
  EXPECT_EQ(host_.mounts_below(), std::vector<std::string>{});
}

TEST_F(EndingsTest, AFolderBelowTmpIsNotThere) {
  AttemptSpec spec = host_.shell("true");
  spec.program.cwd = "/tmp";
  EXPECT_EQ(host_.run(spec).status, 0);
  std::filesystem::create_directory(host_.path("tree/tmp/x"));
  AttemptSpec below = host_.shell("true");
  below.program.cwd = "/tmp/x";
  EXPECT_EQ(host_.run(below).status, 125);
}

// The store is away, three times it is asked; `given_up` from `given_up_after` on.
struct Away {
  int asked = 0;
  int given_up_after = 100;
  std::vector<std::string> said;

  Status start(const Host& host, const AttemptSpec& spec) {
    Ground ground = host.ground();
    ground.parts.prepare_tree = [this, there = ground.parts.prepare_tree](
                                    const AttemptSpec& of, const std::function<bool()>& given_up) {
      if (++asked > 3) return there(of, given_up);
      return Result<PreparedTree>(Error{Code::kUnavailable, "nobody answers", {}});
    };
    return (*open_sandboxes(ground, all_steps()))
        ->start(spec, "", Time{1},
                {.progress = {},
                 .waits = [this](const std::string& why) { said.push_back(why); },
                 .given_up = [this] { return asked >= given_up_after; }});
  }
};

TEST_F(EndingsTest, AStoreThatIsAwayIsWaitedFor) {
  Away away;
  const AttemptSpec spec = host_.shell("echo here");
  ASSERT_TRUE(away.start(host_, spec));
  EXPECT_EQ(host_.wait(spec.key).status, 0);
  const std::string why = "waits for the store: nobody answers";
  EXPECT_EQ(away.said, (std::vector<std::string>{why, ""}));
}

TEST_F(EndingsTest, WaitingForTheStoreCanBeGivenUp) {
  Away away;
  away.given_up_after = 2;
  const AttemptSpec spec = host_.shell("echo here");
  const Status started = away.start(host_, spec);
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().code, Code::kCancelled);
  EXPECT_EQ(away.asked, 2);
}

TEST_F(EndingsTest, WithoutCrunItSaysSo) {
  Ground ground = host_.ground();
  ground.options.crun_program = "/no/such/crun";
  const std::unique_ptr<Sandboxes> sandboxes = *open_sandboxes(ground, all_steps());
  const AttemptSpec spec = host_.shell("true");
  ASSERT_TRUE(sandboxes->start(spec, "", Time{1}, {}));
  const Ending ending = host_.wait(spec.key);
  EXPECT_EQ(ending.cause, EndCause::kNotStarted);
  EXPECT_EQ(ending.status, 125);
  EXPECT_NE(ending.reason.find("cannot run crun"), std::string::npos) << ending.reason;
}

TEST_F(EndingsTest, ASetupStepThatFailsGivesItsStatus) {
  AttemptSpec spec = host_.shell("echo program");
  spec.program.setup = {"sh", "-c", "echo setup; exit 3"};
  EXPECT_EQ(host_.run(spec).status, 3);
  EXPECT_EQ(host_.out(spec.key), "setup\n");
}

TEST_F(EndingsTest, TheProgramFollowsTheSetupStepWhenTold) {
  AttemptSpec spec = host_.shell("cat; echo program");
  spec.program.reads_stdin = true;
  spec.program.setup = {"sh", "-c", "cat; echo setup"};
  ASSERT_TRUE(host_.start(spec));
  Ear ear;
  const auto link = *shim::ShimLink::connect(host_.sandboxes().folder(spec.key), ear.handlers());
  ASSERT_TRUE(link->write_stdin(0, "words\n", true));
  ASSERT_TRUE(eventually([&] { return ear.with([](Ear& e) { return e.state.setup_done; }); }));
  EXPECT_EQ(host_.out(spec.key), "setup\n") << "its stdin is /dev/null";
  ASSERT_TRUE(link->go());
  EXPECT_EQ(host_.wait(spec.key).status, 0);
  EXPECT_EQ(host_.out(spec.key), "setup\nwords\nprogram\n");
}

TEST_F(EndingsTest, AnAttemptNumberRunsOnce) {
  const AttemptSpec spec = host_.shell("true");
  host_.run(spec);
  const Status again = host_.start(spec);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, Code::kExists);
}

}  // namespace
}  // namespace devrun::sandbox
