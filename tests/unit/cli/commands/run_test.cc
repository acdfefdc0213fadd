// Whole command lines against a controller in this process: what reaches it, what is printed, the exit status.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <csignal>
#include <future>

#include "cli/commands/dispatch.h"
#include "tests/unit/cli/client/fake_controller.h"

namespace devrun::cli {
namespace {

// Before any thread exists, so that no signal finds one without the mask.
const bool signals_blocked = [] {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGINT, SIGTERM, SIGQUIT, SIGUSR1, SIGUSR2, SIGHUP, SIGWINCH, SIGCONT})
    sigaddset(&set, signal);
  ::signal(SIGPIPE, SIG_IGN);
  return ::pthread_sigmask(SIG_BLOCK, &set, nullptr) == 0;
}();

struct Ran {
  int status = -1;
  std::string out;
  std::string words;
};

// A file rather than a pipe: whatever is written fits.
class Capture {
 public:
  Capture() : fd_(::memfd_create("capture", MFD_CLOEXEC)) {}
  ~Capture() { ::close(fd_); }
  int fd() const { return fd_; }
  std::string text() const {
    std::string out(static_cast<size_t>(::lseek(fd_, 0, SEEK_END)), '\0');
    EXPECT_EQ(::pread(fd_, out.data(), out.size(), 0), static_cast<ssize_t>(out.size()));
    return out;
  }

 private:
  int fd_;
};

class Run : public testing::Test {
 protected:
  Ran run(const std::vector<std::string>& arguments, const std::string& input = {}) {
    Capture out;
    Capture err;
    Capture in;
    EXPECT_EQ(::write(in.fd(), input.data(), input.size()), static_cast<ssize_t>(input.size()));
    ::lseek(in.fd(), 0, SEEK_SET);
    Console console(out.fd(), err.fd());
    Context context{{}, console, in.fd()};
    context.surroundings.environment = environment_;
    Ran ran;
    ran.status = run_devrun(arguments, context);
    ran.out = out.text();
    ran.words = err.text();
    return ran;
  }

  FakeController fake_;
  std::vector<std::string> environment_{"DEVRUN_CONTROLLER=unix:" + fake_.socket(), "PATH=/bin",
                                        "TMUX=x", "LANG=de_DE"};
};

TEST_F(Run, AProgramToItsEnd) {
  fake_.change([](FakeController::Job& job) {
    job.log = log_record(1, "hello\n") + log_record(2, "oops\n");
  });
  fake_.end_with(pb::FAILED, pb::EXITED, 3);
  const Ran ran = run({"-C", "/srv", "sh", "-c", "x"}, "input");
  EXPECT_EQ(ran.status, 3);
  EXPECT_EQ(ran.out, "hello\n");
  EXPECT_EQ(ran.words, "oops\n");
  ASSERT_EQ(fake_.submitted.size(), 1u);
  const pb::SubmitRequest& request = fake_.submitted[0];
  EXPECT_EQ(request.request_id().size(), 36u);
  EXPECT_EQ(request.env(), std::string("PATH=/bin\0LANG=de_DE\0", 21));
  const pb::Program& program = request.spec().program();
  EXPECT_EQ(program.cwd(), "/srv");
  EXPECT_EQ(std::vector<std::string>(program.argv().begin(), program.argv().end()),
            (std::vector<std::string>{"sh", "-c", "x"}));
  EXPECT_EQ(program.caller().uid(), ::geteuid());
  EXPECT_TRUE(program.reads_stdin());
  EXPECT_FALSE(program.tty());
  EXPECT_EQ(request.spec().name(), "sh");
  EXPECT_EQ(request.spec().root().volume(), "");
}

TEST_F(Run, ASlipOfThePenStartsNothing) {
  for (const auto& [word, meant] : std::vector<std::pair<std::string, std::string>>{
           {"hlep", "help"}, {"nods", "nodes"}, {"version", "--version"}}) {
    const Ran ran = run({word});
    EXPECT_EQ(ran.status, 127) << word;
    EXPECT_NE(ran.words.find("did you mean " + meant + "?"), std::string::npos) << ran.words;
  }
  // The same on a host that knows of no cluster.
  const std::vector<std::string> known =
      std::exchange(environment_, {"PATH=/bin", "HOME=/nowhere"});
  EXPECT_NE(run({"hlep"}).words.find("did you mean help?"), std::string::npos);
  environment_ = known;
  EXPECT_EQ(fake_.submitted.size(), 0u);
  // Where it may be a program, it is one.
  fake_.end_with(pb::SUCCEEDED, pb::EXITED, 0);
  EXPECT_EQ(run({"--", "hlep"}).status, 0);
  EXPECT_EQ(run({"--volume", "ada", "hlep"}).status, 0);
  EXPECT_EQ(run({"nosuchthing"}).status, 0);
  EXPECT_EQ(fake_.submitted.size(), 3u);
}

TEST_F(Run, NamesThatOthersHaveForCommands) {
  const Ran ran = run({"stop", "42"});
  EXPECT_EQ(ran.status, 127);
  EXPECT_NE(ran.words.find("did you mean cancel? Try: devrun help cancel"), std::string::npos)
      << ran.words;
  // In a volume there may be such a program: it is run, and what may have been meant is said.
  fake_.end_with(pb::FAILED, pb::EXITED, 127);
  fake_.change(
      [](FakeController::Job& job) { job.end->mutable_ending()->set_reason("stop: not found"); });
  EXPECT_NE(run({"--volume", "ada", "stop", "42"}).words.find("may have been meant: cancel"),
            std::string::npos);
  const Ran near = run({"--volume", "ada", "volumes"});
  EXPECT_EQ(near.words.find("devrun: 'volumes' is no devrun command: running a program of that "
                            "name; did you mean volume? Try: devrun help volume\n"),
            0u)
      << near.words;
  EXPECT_EQ(run({"--volume", "ada", "--", "volumes"}).words.find("did you mean"),
            std::string::npos);
  EXPECT_EQ(fake_.submitted.size(), 3u);
}

TEST_F(Run, HelpOfAPartOfACommand) {
  const Ran ran = run({"help", "volume", "create"});
  EXPECT_EQ(ran.status, 0) << ran.words;
  EXPECT_EQ(ran.out, run({"help", "volume"}).out);
  EXPECT_NE(
      run({"help", "volume", "creat"}).words.find("did you mean create? Try: devrun help volume"),
      std::string::npos);
}

TEST_F(Run, CopiesGoOneWay) {
  EXPECT_EQ(run({"cp", "42:out.txt", "-"})
                .words.find("devrun: cp: it writes files and folders, not stdout. Try: devrun exec "
                            "42 cat out.txt; or ./- for a file of that name"),
            0u);
  EXPECT_EQ(run({"cp", "in.txt", "42:/tmp/in.txt"})
                .words.find("devrun: cp: it copies out of a job, not into one. Try: devrun exec 42 "
                            "sh -c 'cat > /tmp/in.txt' < in.txt"),
            0u);
}

TEST_F(Run, StdinThatNoAttemptWouldReadIsRefused) {
  const Ran refused = run({"--volume", "ada", "--retries", "2", "wc"}, "words\n");
  EXPECT_EQ(refused.status, 2);
  EXPECT_EQ(refused.words,
            "devrun: stdin is a file, and with --retries nothing of it reaches the program, since "
            "another attempt could not read it again. Try: --no-stdin, if it needs none; or the "
            "same without --retries\n");
  EXPECT_TRUE(fake_.submitted.empty());
  fake_.end_with(pb::SUCCEEDED, pb::EXITED, 0);
  EXPECT_EQ(run({"--volume", "ada", "--retries", "2", "--no-stdin", "wc"}, "words\n").status, 0);
  EXPECT_EQ(run({"--volume", "ada", "--retries", "2", "wc"}).status, 0) << "an empty file";
  EXPECT_EQ(run({"--volume", "ada", "-d", "--retries", "2", "wc"}, "words\n").status, 0);
}

TEST_F(Run, DetachedAndWithoutANodeThatCouldHoldIt) {
  pb::NodeHello& node = *fake_.nodes.add_nodes()->mutable_hello();
  node.set_name("node1");
  node.mutable_total()->set_cpu_milli(4000);
  fake_.info.set_job(42);
  fake_.info.set_state(pb::QUEUED);
  fake_.info.mutable_spec()->mutable_per_node()->set_cpu_milli(1000);
  fake_.info.set_reason("needs 8 cores on one node; the largest has 4 cores (node1)");
  const Ran ran = run({"--volume", "ada", "-d", "--cpus", "8", "true"});
  EXPECT_EQ(ran.status, 0);
  EXPECT_EQ(ran.out, "42\n");
  EXPECT_EQ(
      ran.words,
      "devrun: job 42 cannot start on the nodes that there are, and waits for others: needs 8 "
      "cores on one node; the largest has 4 cores (node1). Try: devrun nodes; devrun cancel "
      "42\n");
  EXPECT_EQ(run({"--volume", "ada", "-d", "--cpus", "4", "true"}).words, "");
  EXPECT_EQ(run({"--volume", "ada", "-dq", "--cpus", "8", "true"}).words, "");
}

TEST_F(Run, VolumesAreRemovedAllOrNone) {
  fake_.volumes.add_volumes()->set_name("one");
  fake_.volumes.add_volumes()->set_name("two");
  EXPECT_EQ(run({"volume", "rm", "--yes", "one", "tow"}).status, 125);
  EXPECT_TRUE(fake_.removed.empty());
  EXPECT_EQ(run({"volume", "rm", "--yes", "one", "two"}).status, 0);
  EXPECT_EQ(fake_.removed, (std::vector<std::string>{"one", "two"}));
}

TEST_F(Run, StdinReachesIt) {
  // A program that ends when its stdin does.
  std::thread program([&] {
    EXPECT_TRUE(fake_.wait_until([](const auto& job) { return job.stdin_eof; }));
    fake_.end_with(pb::SUCCEEDED, pb::EXITED, 0);
  });
  const std::string input(700'000, 'i');
  EXPECT_EQ(run({"cat"}, input).status, 0);
  program.join();
  EXPECT_TRUE(fake_.job().stdin_bytes == input);
}

TEST_F(Run, Detached) {
  const Ran ran = run({"-d", "sleep", "1"});
  EXPECT_EQ(ran.status, 0);
  EXPECT_EQ(ran.out, "42\n");
  EXPECT_EQ(ran.words, "");
  EXPECT_FALSE(fake_.submitted[0].spec().program().reads_stdin());
  EXPECT_EQ(fake_.job().attaches, 0);
}

TEST_F(Run, DetachedAsJson) {
  EXPECT_EQ(
      run({"-d", "--json", "true"}).out,
      "{\"job\":42,\"tree\":\"6161616161616161616161616161616161616161616161616161616161616161\","
      "\"timeline\":{}}\n");
}

TEST_F(Run, TheControllersWords) {
  fake_.refuse_submit =
      Error{Code::kNotFound, "there is no volume 'ad', did you mean 'ada'?", "devrun volume ls"};
  const Ran ran = run({"true"});
  EXPECT_EQ(ran.status, 125);
  EXPECT_EQ(ran.out, "");
  EXPECT_EQ(ran.words,
            "devrun: there is no volume 'ad', did you mean 'ada'? Try: devrun volume ls\n");
}

TEST_F(Run, EndingsAndTheirWords) {
  struct Case {
    pb::JobState state;
    pb::EndCause cause;
    int status;
    std::string reason;
    std::string hint;
    int expected;
    std::string words;
  };
  const Case cases[] = {
      {pb::SUCCEEDED, pb::EXITED, 0, "", "", 0, ""},
      {pb::FAILED, pb::EXITED, 137, "killed by signal 9", "", 137,
       "devrun: job 42: killed by signal 9\n"},
      {pb::FAILED, pb::EXITED, 127, "nope: command not found", "devrun shell", 127,
       "devrun: nope: command not found. Try: devrun shell\n"},
      {pb::FAILED, pb::EXITED, 143, "killed by signal 15", "", 143, ""},
      {pb::FAILED, pb::NOT_STARTED, 125, "cannot mount the snapshot", "devrun doctor", 125,
       "devrun: cannot mount the snapshot. Try: devrun doctor\n"},
      {pb::FAILED, pb::NOT_STARTED, 127, "'nope' is not in the snapshot's PATH", "", 127,
       "devrun: 'nope' is not in the snapshot's PATH. Try: devrun show 42\n"},
      {pb::NODE_LOST, pb::LOST, 0, "node1 is gone", "devrun run again", 125,
       "devrun: node1 is gone. Try: devrun run again\n"},
      {pb::CANCELLED, pb::END_CANCELLED, 0, "", "", 130, "devrun: job 42 was cancelled\n"},
      {pb::TIMED_OUT, pb::END_TIMED_OUT, 0, "", "", 124,
       "devrun: job 42 was ended at its time limit. Try: a longer --time\n"},
  };
  for (const Case& one : cases) {
    fake_.end_with(one.state, one.cause, one.status);
    fake_.change([&](FakeController::Job& job) {
      job.end->mutable_ending()->set_reason(one.reason);
      job.end->mutable_ending()->set_hint(one.hint);
    });
    const Ran ran = run({"true"});
    EXPECT_EQ(ran.status, one.expected) << one.reason;
    EXPECT_EQ(ran.words, one.words);
  }
}

TEST_F(Run, WhatWasWritten) {
  fake_.end_with(pb::SUCCEEDED, pb::EXITED, 0);
  fake_.change([](FakeController::Job& job) {
    auto& wrote = *job.end->mutable_wrote();
    wrote.set_files(3);
    wrote.set_bytes(1'258'291);
    wrote.set_node("node1");
    wrote.set_folder("/var/lib/devrun/x");
    auto& file = *wrote.add_notable();
    file.set_path("/root/model.npz");
    file.set_kind('A');
    file.set_size_bytes(1'000'000);
  });
  EXPECT_EQ(run({"true"}).words,
            "devrun: 3 files, 1.2 MB written, kept on node1 for 24 hours in /var/lib/devrun/x\n"
            "devrun:   A /root/model.npz  977 KB\n"
            "devrun:   and 2 more\n"
            "devrun: Try: devrun show 42\n");
  EXPECT_EQ(run({"-q", "true"}).words, "");
}

TEST_F(Run, ControllerDown) {
  fake_.stop();
  const auto begun = std::chrono::steady_clock::now();
  const Ran ran = run({"true"});
  EXPECT_LT(std::chrono::steady_clock::now() - begun, std::chrono::seconds(3));
  EXPECT_EQ(ran.status, 125);
  EXPECT_EQ(ran.words.find("devrun: cannot reach the controller, through " + fake_.socket() + ": "),
            0u)
      << ran.words;
}

TEST_F(Run, ControllerThatIsBackInAMoment) {
  fake_.stop();
  fake_.end_with(pb::SUCCEEDED, pb::EXITED, 0);
  auto ran = std::async(std::launch::async, [this] { return run({"true"}); });
  fake_.serve();
  EXPECT_EQ(ran.get().status, 0);
}

TEST_F(Run, OutsideAContainerAVolumeIsNeeded) {
  const std::string config = fake_.socket() + ".yaml";
  const int fd = ::open(config.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
  const std::string text =
      "controller: 127.0.0.1:1\nca: /dev/null\ncert: /dev/null\nkey: /dev/null\n";
  ASSERT_EQ(::write(fd, text.data(), text.size()), static_cast<ssize_t>(text.size()));
  ::close(fd);
  environment_ = {"DEVRUN_CONFIG=" + config, "DEVRUN_CONTROLLER=127.0.0.1:1"};
  const Ran ran = run({"true"});
  EXPECT_EQ(ran.status, 125);
  EXPECT_EQ(
      ran.words,
      "devrun: which volume? This is no dev container, and none is named. Try: --volume NAME, or "
      "DEVRUN_VOLUME=NAME; devrun volume ls\n");
}

TEST_F(Run, SeveralRanksWithPrefixes) {
  fake_.change([](FakeController::Job& job) { job.log = log_record(1, "hello\n"); });
  fake_.end_with(pb::SUCCEEDED, pb::EXITED, 0);
  const Ran ran = run({"--nodes", "3", "hostname"});
  EXPECT_EQ(ran.status, 0);
  std::vector<std::string> lines;
  for (size_t at = 0; at < ran.out.size(); at += 10) lines.push_back(ran.out.substr(at, 10));
  std::ranges::sort(lines);
  EXPECT_EQ(lines, (std::vector<std::string>{"[0] hello\n", "[1] hello\n", "[2] hello\n"}));
}

TEST_F(Run, WrongCommandLine) {
  const Ran ran = run({"--cpu", "1", "true"});
  EXPECT_EQ(ran.status, 2);
  EXPECT_EQ(ran.out, "");
  EXPECT_EQ(ran.words, "devrun: unknown option --cpu, did you mean --cpus? Try: devrun help run\n");
  EXPECT_TRUE(fake_.submitted.empty());
}

// ── other commands ──

TEST_F(Run, Logs) {
  fake_.info.set_job(42);
  fake_.info.mutable_spec()->set_nodes(1);
  fake_.info.set_state(pb::SUCCEEDED);
  fake_.change([](FakeController::Job& job) {
    job.log = log_record(1, "one\ntwo\n") + log_record(2, "bad\n") + log_record(1, "three\nfo") +
              log_record(1, "ur");
    job.chunk_bytes = 7;
  });
  EXPECT_EQ(run({"logs", "42"}).out, "one\ntwo\nthree\nfour");
  EXPECT_EQ(run({"logs", "42"}).words, "bad\n");
  EXPECT_EQ(run({"logs", "--stderr", "42"}).out, "");
  EXPECT_EQ(run({"logs", "--stdout", "42"}).words, "");
  EXPECT_EQ(run({"logs", "--tail", "2", "--stdout", "42"}).out, "three\nfour");
  EXPECT_EQ(run({"logs", "--tail", "0", "42"}).out, "");
  EXPECT_EQ(run({"logs", "--tail", "100", "42"}).out, "one\ntwo\nthree\nfour");
  fake_.end_with(pb::SUCCEEDED, pb::EXITED, 0);
  EXPECT_EQ(run({"logs", "-f", "--tail", "1", "--stdout", "42"}).out, "four");
  const Ran unknown = run({"logs", "7"});
  EXPECT_EQ(unknown.status, 125);
  EXPECT_EQ(unknown.words, "devrun: there is no job 7. Try: devrun ps -a\n");
}

TEST_F(Run, Wait) {
  fake_.info.set_job(42);
  fake_.info.set_state(pb::FAILED);
  fake_.info.mutable_ending()->set_cause(pb::EXITED);
  fake_.info.mutable_ending()->set_status(9);
  EXPECT_EQ(run({"wait", "42"}).status, 9);
  EXPECT_EQ(run({"wait", "42", "43"}).status, 125);
}

TEST_F(Run, CancelWithASignal) {
  EXPECT_EQ(run({"cancel", "--signal", "USR1", "42", "43_7"}).status, 0);
  ASSERT_EQ(fake_.cancels.size(), 2u);
  EXPECT_EQ(fake_.cancels[0].signal(), SIGUSR1);
  EXPECT_EQ(fake_.cancels[0].task(), -1);
  EXPECT_EQ(fake_.cancels[1].job(), 43u);
  EXPECT_EQ(fake_.cancels[1].task(), 7);
}

TEST_F(Run, Volumes) {
  EXPECT_EQ(run({"volume", "create", "ada", "--from-debootstrap", "bookworm", "--include", "a,b",
                 "--include", "c"})
                .status,
            0);
  ASSERT_EQ(fake_.created.size(), 1u);
  EXPECT_EQ(fake_.created[0].debootstrap().suite(), "bookworm");
  EXPECT_EQ(fake_.created[0].debootstrap().include_size(), 3);
  const Ran refused = run({"volume", "rm", "ada"});
  EXPECT_EQ(refused.status, 125);
  EXPECT_EQ(
      refused.words,
      "devrun: removing volume ada: nobody is here to confirm it. Try: the same with --yes\n");
  EXPECT_TRUE(fake_.removed.empty());
  EXPECT_EQ(
      run({"volume", "rm", "--yes", "ada"}).words,
      "devrun: volume ada is removed, and kept until 2026-01-01 00:00:00Z. Try: devrun volume "
      "restore ada, to have it back\n");
  EXPECT_EQ(fake_.removed, std::vector<std::string>{"ada"});
  EXPECT_EQ(run({"volume", "ls", "--json"}).out, "{\"volumes\":[]}\n");
}

TEST_F(Run, Shell) {
  fake_.end_with(pb::SUCCEEDED, pb::EXITED, 0);
  EXPECT_EQ(run({"shell", "ada", "--", "apt-get", "update"}).status, 0);
  ASSERT_EQ(fake_.submitted.size(), 1u);
  const pb::SubmitRequest& request = fake_.submitted[0];
  EXPECT_TRUE(request.spec().dev_container());
  EXPECT_TRUE(request.spec().root().live());
  EXPECT_EQ(request.spec().root().volume(), "ada");
  ASSERT_EQ(fake_.execs.size(), 1u);
  const pb::SessionStart& session = fake_.execs[0].session();
  EXPECT_EQ(fake_.execs[0].job(), 42u);
  EXPECT_EQ(session.program().argv(1), "update");
  EXPECT_EQ(session.program().cwd(), "/root");
  EXPECT_EQ(session.program().caller().uid(), 0u);
  std::string env = session.env();
  std::ranges::replace(env, '\0', '|');
  EXPECT_EQ(env,
            "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin|HOME=/"
            "root|USER=root|LOGNAME=root|"
            "LANG=de_DE|");
}

TEST_F(Run, ShellStopsWhatNobodyUses) {
  auto& job = *fake_.list.add_jobs();
  job.set_job(42);
  job.set_state(pb::RUNNING);
  job.mutable_spec()->set_dev_container(true);
  job.mutable_spec()->mutable_root()->set_volume("ada");
  fake_.info.set_job(42);
  fake_.info.set_state(pb::CANCELLED);
  auto& session = *fake_.sessions.add_sessions();
  session.set_user("bob");
  for (const char* word : {"vim", "a b"}) session.add_argv(word);
  const Ran refused = run({"shell", "--stop", "ada"});
  EXPECT_EQ(refused.status, 125);
  EXPECT_EQ(refused.words,
            "devrun: the dev container of volume ada is in use:\n"
            "devrun:   bob: vim 'a b'\n"
            "devrun: Try: devrun shell --stop --yes ada\n");
  EXPECT_TRUE(fake_.cancels.empty());
  EXPECT_EQ(run({"shell", "--stop", "--yes", "ada"}).status, 0);
  ASSERT_EQ(fake_.cancels.size(), 1u);
  EXPECT_EQ(fake_.cancels[0].job(), 42u);
  fake_.sessions.clear_sessions();
  EXPECT_EQ(run({"shell", "--stop", "ada"}).words,
            "devrun: the dev container of volume ada, job 42, has ended\n");
}

TEST_F(Run, ExecTakesTheProgramsWordsAsTheyAre) {
  fake_.end_with(pb::FAILED, pb::EXITED, 3);
  EXPECT_EQ(run({"exec", "-e", "A=b", "42", "ls", "-l", "--", "-e"}).status, 3);
  ASSERT_EQ(fake_.execs.size(), 1u);
  const pb::SessionStart& session = fake_.execs[0].session();
  EXPECT_EQ(session.program().argv_size(), 4);
  EXPECT_EQ(session.program().argv(3), "-e");
  EXPECT_EQ(session.program().cwd(), "") << "the job's";
  EXPECT_EQ(session.env(), std::string("A=b\0", 4));
  EXPECT_EQ(run({"exec", "42"}).status, 2);
  EXPECT_EQ(run({"exec", "-C", "here", "42", "ls"}).status, 2);
  EXPECT_TRUE(fake_.submitted.empty());
}

}  // namespace
}  // namespace devrun::cli
