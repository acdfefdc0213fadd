// Processes are known by pid and start time; ends are waited for, not guessed.
#include "cli/cluster/process.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

#include "common/runtime/file.h"

namespace devrun::cluster {
namespace {

// A child that lives until it is killed, ignoring TERM if asked to. Reaped by the destructor.
class Child {
 public:
  explicit Child(bool ignores_term = false) {
    int ready[2];
    EXPECT_EQ(::pipe(ready), 0);
    pid_ = ::fork();
    if (pid_ == 0) {
      ::signal(SIGTERM, ignores_term ? SIG_IGN : SIG_DFL);
      [[maybe_unused]] const ssize_t n = ::write(ready[1], "r", 1);
      for (;;) ::pause();
    }
    char byte = 0;
    EXPECT_EQ(::read(ready[0], &byte, 1), 1);
    ::close(ready[0]);
    ::close(ready[1]);
  }
  ~Child() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  pid_t pid() const { return pid_; }

 private:
  pid_t pid_ = 0;
};

int signal_that_ended(pid_t pid) {
  siginfo_t info{};
  EXPECT_EQ(::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOWAIT | WNOHANG), 0);
  return info.si_pid == pid ? info.si_status : 0;
}

TEST(ParseStat, ReadsTheStartTimeWhateverTheNameIs) {
  const std::string after = " S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4242 20 21\n";
  EXPECT_EQ(parse_stat("7 (sh)" + after), 4242u);
  EXPECT_EQ(parse_stat("7 (a) Z (b c)" + after), 4242u);
  EXPECT_EQ(parse_stat("7 (sh) Z" + after.substr(2)), std::nullopt);
  for (const char* bad : {"", "7", "7 (sh", "7 (sh)", "7 (sh) S 1 2"}) {
    EXPECT_EQ(parse_stat(bad), std::nullopt) << bad;
  }
}

TEST(Identify, FindsItselfAndNotTheDead) {
  const auto self = identify(::getpid());
  ASSERT_TRUE(self);
  EXPECT_TRUE(is_alive(*self));
  EXPECT_FALSE(is_alive({self->pid, self->start_ticks + 1})) << "another process of the same pid";
  const Child child;
  const auto process = identify(child.pid());
  ASSERT_TRUE(process);
  ::kill(child.pid(), SIGKILL);
  EXPECT_TRUE(wait_until(seconds(5), [&] { return !is_alive(*process); })) << "a zombie is dead";
}

TEST(EndProcesses, EndsTheWillingAndTheUnwilling) {
  const Child willing;
  const Child unwilling(true);
  const std::vector<ProcessId> both = {*identify(willing.pid()), *identify(unwilling.pid())};
  EXPECT_TRUE(end_processes(both, milliseconds(50), seconds(5)).empty());
  EXPECT_EQ(signal_that_ended(willing.pid()), SIGTERM);
  EXPECT_EQ(signal_that_ended(unwilling.pid()), SIGKILL);
}

TEST(EndProcesses, NeverSignalsAnotherOfTheSamePid) {
  const Child bystander;
  ProcessId old = *identify(bystander.pid());
  old.start_ticks -= 1;
  EXPECT_TRUE(end_processes({old}, milliseconds(0), milliseconds(0)).empty());
  EXPECT_TRUE(identify(bystander.pid()));
}

TEST(RunsFile, IsAboutTheFileAndNotItsName) {
  char folder[] = "/tmp/devrun-test-XXXXXX";
  ASSERT_NE(::mkdtemp(folder), nullptr);
  const std::string path = std::string(folder) + "/sleep";
  std::filesystem::copy_file("/bin/sleep", path);
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::execl(path.c_str(), "sleep", "1000", nullptr);
    ::_exit(1);
  }
  EXPECT_TRUE(wait_until(seconds(10), [&] { return runs_file(pid, path); }));
  EXPECT_FALSE(runs_file(pid, "/bin/sleep"));
  std::filesystem::create_hard_link(path, path + "2");
  EXPECT_TRUE(runs_file(pid, path + "2"));
  // As a build does it: another file of the same name.
  std::filesystem::remove(path);
  EXPECT_FALSE(runs_file(pid, path));
  std::filesystem::copy_file("/bin/sleep", path);
  EXPECT_FALSE(runs_file(pid, path));
  ::kill(pid, SIGKILL);
  ::waitpid(pid, nullptr, 0);
  std::filesystem::remove_all(folder);
}

TEST(AwaitEnds, ReturnsThoseThatLiveOn) {
  const Child child;
  const ProcessId process = *identify(child.pid());
  EXPECT_EQ(await_ends({process}, milliseconds(10)), std::vector<ProcessId>{process});
  EXPECT_TRUE(identify(child.pid()));
}

TEST(PidFile, RoundTripsAndRefusesNonsense) {
  char folder[] = "/tmp/devrun-test-XXXXXX";
  ASSERT_NE(::mkdtemp(folder), nullptr);
  const std::string path = std::string(folder) + "/x.pid";
  EXPECT_EQ(read_pid_file(path), std::nullopt);
  ASSERT_TRUE(write_pid_file(path, {123, 456}));
  EXPECT_EQ(read_pid_file(path), (ProcessId{123, 456}));
  for (const char* bad : {"", "123", "123 \n", "1 5\n", "0 5\n", "-4 5\n", "12 5", "a b\n"}) {
    ASSERT_TRUE(write_file_atomically(path, bad));
    EXPECT_EQ(read_pid_file(path), std::nullopt) << bad;
  }
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace devrun::cluster
