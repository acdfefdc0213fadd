// Who is told to end while a renewed certificate has it begin anew, ends.
#include "agent/sync/stop_signals.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

namespace devrun::agent {
namespace {

// In a process of its own, whose signals are its own.
int outcome_of(int (*play)()) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(catch_stop_signals() ? play() : 99);
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

TEST(StopSignals, ReasonsOfItsOwnAreNoEnd) {
  EXPECT_EQ(outcome_of([] {
              wake();
              wait_for_stop_signal();
              return told_to_stop() || !may_begin_anew() ? 1 : 0;
            }),
            0);
}

TEST(StopSignals, WhoIsToldToEndIsSoWhateverElseCame) {
  EXPECT_EQ(outcome_of([] {
              wake();
              ::raise(SIGTERM);
              wait_for_stop_signal();
              return told_to_stop() && !may_begin_anew() ? 0 : 1;
            }),
            0);
}

TEST(StopSignals, OneThatComesBeforeTheExecIsFoundAfterIt) {
  EXPECT_EQ(outcome_of([] {
              if (!may_begin_anew()) return 1;
              ::raise(SIGTERM);
              if (told_to_stop()) return 2;         // it waits
              if (!catch_stop_signals()) return 3;  // as the next program does
              wait_for_stop_signal();
              return told_to_stop() ? 0 : 4;
            }),
            0);
}

}  // namespace
}  // namespace devrun::agent
