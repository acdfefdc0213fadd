// Scripts as programs, run by a real bash in a home folder of their own.
#include "cli/launch/script.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "common/runtime/fd.h"

namespace devrun::launch {
namespace {

namespace fs = std::filesystem;

struct Ran {
  int status = -1;  // as a shell says it
  std::string out;
  std::string err;
};

std::string slurp(const fs::path& path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), {}};
}

class ScriptTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = fs::temp_directory_path() / "devrun-script-XXXXXX";
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
    home_ = folder_ / "home";
    work_ = folder_ / "work";
    fs::create_directories(home_);
    fs::create_directories(work_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  Scripts scripts(TaskPlan task) {
    auto built = build_scripts(task, use_workdir_ ? work_.string() : "");
    EXPECT_TRUE(built) << built.error().message;
    return *std::move(built);
  }
  Scripts run_script(std::string text, std::vector<Value> envs = {}) {
    TaskPlan task;
    task.run = std::move(text);
    task.envs = std::move(envs);
    return scripts(std::move(task));
  }

  // As an attempt's init starts it: leader of a session, streams that are no terminal.
  pid_t start(const std::vector<std::string>& argv, const std::vector<Value>& extra) {
    std::vector<std::string> variables{"HOME=" + home_.string(), "PATH=/usr/bin:/bin",
                                       "FROM_CALLER=1"};
    for (const Value& value : extra) variables.push_back(value.name + "=" + value.value);
    const pid_t pid = fork();
    if (pid != 0) return pid;
    setsid();
    dup2(open("/dev/zero", O_RDONLY), 0);  // must not be what the script reads
    dup2(open((folder_ / "out").c_str(), O_CREAT | O_TRUNC | O_WRONLY, 0600), 1);
    dup2(open((folder_ / "err").c_str(), O_CREAT | O_TRUNC | O_WRONLY, 0600), 2);
    std::vector<char*> words;
    for (const std::string& word : argv) words.push_back(const_cast<char*>(word.c_str()));
    words.push_back(nullptr);
    std::vector<char*> environment;
    for (std::string& variable : variables) environment.push_back(variable.data());
    environment.push_back(nullptr);
    execve(words[0], words.data(), environment.data());
    _exit(99);
  }
  Ran finish(pid_t pid) {
    int status = 0;
    waitpid(pid, &status, 0);
    Ran ran{WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status),
            slurp(folder_ / "out"), slurp(folder_ / "err")};
    return ran;
  }
  Ran run(const Scripts& built) { return finish(start(built.run, built.env)); }
  Ran run(std::string text, std::vector<Value> envs = {}) {
    return run(run_script(std::move(text), std::move(envs)));
  }
  void bashrc(std::string_view text) { std::ofstream(home_ / ".bashrc") << text; }

  fs::path folder_, home_, work_;
  bool use_workdir_ = true;
};

TEST_F(ScriptTest, TheStatusIsTheLastCommands) {
  EXPECT_EQ(run("false\ntrue\n").status, 0);
  EXPECT_EQ(run("true\nfalse").status, 1);
  EXPECT_EQ(run("exit 7\necho no\n").status, 7);
  EXPECT_EQ(run("set -e\nfalse\necho no\n").out, "");
  EXPECT_EQ(run("no_such_command_here").status, 127);
  EXPECT_EQ(run("kill -9 $$").status, 137);
  EXPECT_EQ(run("sh -c 'kill -9 $$'").status, 137);
}

TEST_F(ScriptTest, NothingButTheScriptsOwnWordsAppears) {
  const Ran ran = run("echo \"done!\" now!ever\necho oops >&2\nexit 3\n");
  EXPECT_EQ(ran.out, "done! now!ever\n");
  EXPECT_EQ(ran.err, "oops\n");
  EXPECT_EQ(ran.status, 3);
}

TEST_F(ScriptTest, SyntaxErrorsAreSaidAndFail) {
  for (const char* text : {"if true; then\n", "echo a\n)\necho b\n", "echo \"open\n"}) {
    const Ran ran = run(text);
    EXPECT_NE(ran.status, 0) << text;
    EXPECT_NE(ran.err.find("syntax error") != std::string::npos ||
                  ran.err.find("unexpected EOF") != std::string::npos,
              false)
        << ran.err;
  }
}

TEST_F(ScriptTest, HereDocumentsFunctionsAndStdin) {
  const Ran ran =
      run("f() { cat; }\nf <<X\nfrom $FROM_CALLER\nX\nwc -c\nread -r line || echo none\n");
  EXPECT_EQ(ran.out, "from 1\n0\nnone\n");
}

TEST_F(ScriptTest, BashrcIsReadOnceThroughItsUsualGuards) {
  bashrc(
      "case $- in *i*) ;; *) return;; esac\necho read >> ~/times\nalias hello='echo aliased'\n"
      "export FROM_RC=1 MODEL=rc PYTHONUNBUFFERED=0\nfalse\n");
  const Ran ran = run("hello\necho $FROM_RC $MODEL $PYTHONUNBUFFERED\n", {{"MODEL", "the file's"}});
  EXPECT_EQ(ran.out, "aliased\n1 the file's 1\n");
  EXPECT_EQ(slurp(home_ / "times"), "read\n");
}

TEST_F(ScriptTest, CondaComesFromWhereItIsInstalled) {
  fs::create_directories(home_ / "miniconda3/etc/profile.d");
  std::ofstream(home_ / "miniconda3/etc/profile.d/conda.sh")
      << "conda() { echo conda does \"$@\"; }\n";
  EXPECT_EQ(run("conda activate x\n").out, "conda does activate x\n");
  bashrc("conda() { echo from bashrc; }\n");
  EXPECT_EQ(run("conda\n").out, "from bashrc\n");
}

TEST_F(ScriptTest, RunsInSkyWorkdirWhichIsTheWorkdir) {
  std::ofstream(work_ / "train.py") << "x";
  const Ran ran = run("pwd\npwd -P\nls ~/sky_workdir\n");
  EXPECT_EQ(ran.out,
            home_.string() + "/sky_workdir\n" + fs::canonical(work_).string() + "\ntrain.py\n");
  EXPECT_EQ(run("pwd -P\n").out,
            fs::canonical(work_).string() + "\n");  // the link is there already
  use_workdir_ = false;
  fs::remove(home_ / "sky_workdir");
  EXPECT_EQ(run("pwd -P\n").out, fs::canonical(home_).string() + "/sky_workdir\n");
}

TEST_F(ScriptTest, AFolderOfTheUsersOwnIsLeftAlone) {
  fs::create_directories(home_ / "sky_workdir/precious");
  const Ran ran = run("pwd\n");
  EXPECT_EQ(ran.out, work_.string() + "\n");
  EXPECT_NE(ran.err.find("devrun: ~/sky_workdir is a folder of its own"), std::string::npos);
  EXPECT_TRUE(fs::exists(home_ / "sky_workdir/precious"));
  fs::remove_all(work_);
  EXPECT_EQ(run("echo no\n").status, 125);
}

TEST_F(ScriptTest, ValuesArriveByteForByteAndNothingOfDevrunsStays) {
  const std::string odd = "a 'b' \"c\" $HOME `x` \\ \n two * ";
  const Ran ran = run("printf %s \"$ODD\"\nenv | grep -c ^DEVRUN_TASK_\nset | grep -c ^__devrun\n",
                      {{"ODD", odd}});
  EXPECT_EQ(ran.out, odd + "0\n0\n");
}

TEST_F(ScriptTest, SecretsAreInNoArgumentAndNoText) {
  TaskPlan task;
  task.run = "printf %s \"$TOKEN\"\n";
  task.secrets = {{"TOKEN", "sesame"}};
  const Scripts built = scripts(task);
  for (const std::string& word : built.run) EXPECT_EQ(word.find("sesame"), std::string::npos);
  for (const Value& value : built.env) {
    if (value.name != "TOKEN") {
      EXPECT_EQ(value.value.find("sesame"), std::string::npos) << value.name;
    }
  }
  EXPECT_EQ(run(built).out, "sesame");
}

TEST_F(ScriptTest, TheTextIsNotInArgvWherePkillWouldFindIt) {
  const Ran ran = run(": train_of_thought.py\npgrep -s 0 -c -f train_of_thought.[p]y\ntrue\n");
  EXPECT_EQ(ran.out, "0\n");
}

TEST_F(ScriptTest, SetupAndRunShareOneEnvironment) {
  TaskPlan task;
  task.setup = "echo setup; touch here; export LOST=1; exit 4\n";
  task.run = "ls; echo ${LOST:-lost} $A\n";
  task.envs = {{"A", "1"}};
  const Scripts built = scripts(task);
  const Ran setup = finish(start(built.setup, built.env));
  EXPECT_EQ(setup.out, "setup\n");
  EXPECT_EQ(setup.status, 4);
  EXPECT_EQ(run(built).out, "here\nlost 1\n");
  EXPECT_TRUE(build_scripts(TaskPlan{}, "")->run.empty());
}

TEST_F(ScriptTest, LongTextsArriveWhole) {
  std::string text;
  while (text.size() < 250'000) text += "# é filler of the longest kind that a script may hold\n";
  const Ran ran = run(text + "echo end\n");
  EXPECT_EQ(ran.out, "end\n");
  TaskPlan task;
  task.run = "x";
  task.envs = {{"A", std::string(kScriptsBytesMax, 'x')}};
  EXPECT_FALSE(build_scripts(task, ""));
}

// Waits until the script has written `ready`, then signals its group as an attempt's init does.
TEST_F(ScriptTest, SignalsToTheGroupEndProgramsAndShellAtOnce) {
  for (const auto& [signal, status] : {std::pair{SIGTERM, 143}, {SIGINT, 130}, {SIGHUP, 129}}) {
    fs::remove(work_ / "ready");
    const Scripts built = run_script("touch ready\nsleep 1000\necho not reached\n");
    const pid_t pid = start(built.run, built.env);
    while (!fs::exists(work_ / "ready") && kill(pid, 0) == 0) usleep(1'000);
    // Again, should it arrive between bash's fork and exec, where it is lost.
    siginfo_t ended{};
    while (ended.si_pid == 0) {
      kill(-pid, signal);
      usleep(20'000);
      waitid(P_PID, static_cast<id_t>(pid), &ended, WEXITED | WNOHANG | WNOWAIT);
    }
    const Ran ran = finish(pid);
    EXPECT_EQ(ran.status, status);
    EXPECT_EQ(ran.out, "");
    EXPECT_EQ(kill(-pid, 0), -1);  // none left
  }
}

TEST_F(ScriptTest, ASignalForProgramsDoesNotKillTheShell) {
  EXPECT_EQ(run("kill -USR1 $$\necho still here\n").out, "still here\n");
  // A trap of the script's own counts.
  EXPECT_EQ(run("trap 'echo mine' TERM\nkill -TERM $$\necho on\n").out, "mine\non\n");
}

// Tools of a volume that say what they were asked for.
class PlacesTest : public ScriptTest {
 protected:
  void tool(const std::string& name, const std::string& text) {
    const fs::path path = folder_ / "bin" / name;
    fs::create_directories(path.parent_path());
    std::ofstream(path) << "#!/bin/bash\n" << text;
    fs::permissions(path, fs::perms::all);
  }
  // Without the machine's own tools but for a few.
  void only_own_tools() {
    for (const char* name : {"mkdir", "id", "cat", "rmdir", "ln", "sleep"}) {
      fs::create_directories(folder_ / "bin");
      fs::create_symlink(fs::path("/bin") / name, folder_ / "bin" / name);
    }
    more_path_ = "";
  }
  std::string more_path_ = ":$PATH";
  Ran with_places(const std::vector<PlaceStep>& places, const std::string& text = "echo ran") {
    TaskPlan task;
    task.run = text;
    auto built = build_scripts(task, work_.string(), places);
    EXPECT_TRUE(built) << built.error().message;
    bashrc("PATH=" + (folder_ / "bin").string() + more_path_ + "\n");
    return run(*built);
  }
  std::string at(const char* name) { return (folder_ / name).string(); }
};

TEST_F(PlacesTest, UrisAreFetchedByTheToolOfTheirKind) {
  tool("aws",
       "echo aws \"$@\" >&2; [[ $* != *' ls '*folder* ]] || echo PRE x\n"
       "[[ $* != *' sync '* ]] || touch \"${@: -1}/synced\"\n"
       "[[ $* != *' cp '* ]] || echo copied > \"${@: -1}\"\n");
  tool("gsutil",
       "[[ $* != *stat* ]] || exit 1; mkdir -p \"${@: -1}\"; touch \"${@: -1}/rsynced\"\n");
  tool("curl", "while [ $# -gt 0 ]; do [ \"$1\" = -o ] && echo web > \"$2\"; shift; done\n");
  const Ran ran = with_places({{PlaceStep::Kind::kFetch, "s3://b/folder", at("in/a dir")},
                               {PlaceStep::Kind::kFetch, "s3://b/file's", at("in/file")},
                               {PlaceStep::Kind::kFetch, "gs://b/x", at("in/g")},
                               {PlaceStep::Kind::kFetch, "https://h/p", at("in/deep/page")}});
  EXPECT_EQ(ran.status, 0) << ran.err;
  EXPECT_EQ(ran.out, "ran\n");
  EXPECT_TRUE(fs::exists(folder_ / "in/a dir/synced"));
  EXPECT_EQ(slurp(folder_ / "in/file"), "copied\n");
  EXPECT_TRUE(fs::exists(folder_ / "in/g/rsynced"));
  EXPECT_EQ(slurp(folder_ / "in/deep/page"), "web\n");
}

TEST_F(PlacesTest, AToolThatIsMissingOrFailsEndsTheTaskBeforeItsText) {
  only_own_tools();
  Ran ran = with_places({{PlaceStep::Kind::kFetch, "gs://b/x", at("g")}});
  EXPECT_EQ(ran.status, 125);
  EXPECT_EQ(ran.out, "");
  EXPECT_NE(
      ran.err.find("devrun: gs://b/x is fetched by gsutil, which is not in the volume. Try: "),
      std::string::npos)
      << ran.err;
  tool("aws", "exit 3\n");
  ran = with_places({{PlaceStep::Kind::kFetch, "s3://b/x", at("g")}});
  EXPECT_EQ(ran.status, 125);
  EXPECT_NE(ran.err.find("s3://b/x could not be copied"), std::string::npos) << ran.err;
}

TEST_F(PlacesTest, ASharedFolderIsFetchedOnce) {
  tool("aws", "echo \"$@\" >> " + at("calls") + "; [[ $* != *' ls '* ]] || echo PRE\n");
  fs::create_directories(folder_ / "shared");
  const PlaceStep step{PlaceStep::Kind::kFetch, "s3://b/x", at("shared"), true};
  EXPECT_EQ(with_places({step}).status, 0);
  EXPECT_EQ(with_places({step}).status, 0);
  const std::string calls = slurp(folder_ / "calls");
  EXPECT_EQ(calls.find("s3 sync"), calls.rfind("s3 sync")) << calls;
  EXPECT_FALSE(fs::exists(folder_ / "shared/.devrun-fetching"));
}

TEST_F(PlacesTest, FoldersAreFilledAndMadeAndNothingIsLeftInTheShell) {
  fs::create_directories(folder_ / "from/sub");
  std::ofstream(folder_ / "from/sub/file") << "x";
  fs::create_directories(folder_ / "to");
  const Ran ran = with_places({{PlaceStep::Kind::kFill, at("from"), at("to")},
                               {PlaceStep::Kind::kFill, at("from/sub/file"), at("to")},
                               {PlaceStep::Kind::kFolder, {}, at("made/deep")}},
                              "declare -F | grep -c devrun; pwd");
  EXPECT_EQ(ran.out, "0\n" + home_.string() + "/sky_workdir\n") << ran.err;
  EXPECT_TRUE(fs::exists(folder_ / "to/sub/file"));
  EXPECT_TRUE(fs::exists(folder_ / "to/file"));
  EXPECT_TRUE(fs::is_directory(folder_ / "made/deep"));
}

TEST_F(PlacesTest, TheyAreSeenToBySetupIfThereIsOne) {
  TaskPlan task;
  task.setup = "echo setup";
  task.run = "echo run";
  const PlaceStep step{PlaceStep::Kind::kFolder, {}, at("made")};
  const auto both = build_scripts(task, work_.string(), {step});
  EXPECT_EQ(run(*both).out, "run\n");
  EXPECT_FALSE(fs::exists(folder_ / "made"));
  EXPECT_EQ(finish(start(both->setup, both->env)).out, "setup\n");
  EXPECT_TRUE(fs::exists(folder_ / "made"));
  fs::remove(folder_ / "made");
  const auto without = build_scripts(task, work_.string(), {step}, false);
  EXPECT_TRUE(without->setup.empty());
  EXPECT_EQ(run(*without).out, "run\n");
  EXPECT_TRUE(fs::exists(folder_ / "made"));
}

TEST_F(ScriptTest, APointOfASweepWinsOverBashrc) {
  bashrc("export lr=from-bashrc\n");
  TaskPlan task;
  task.run = "echo $lr";
  task.sweep = {{"lr", {"1", "2"}}};
  Scripts built = scripts(task);
  built.env.push_back({"lr", "2"});  // as the node does
  EXPECT_EQ(run(built).out, "2\n");
}

}  // namespace
}  // namespace devrun::launch
