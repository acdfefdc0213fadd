// Runs a command with its output discarded and prints when it began and ended, by the clock that all containers of a
// machine share. Static, so that it warms up none of the libraries that the command needs.
//
//   bench_fs_run COMMAND [ARG…]      {"begin_ns": 1, "end_ns": 2, "status": 0}
#include <fcntl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cstdio>

namespace {

long long now_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1'000'000'000LL + now.tv_nsec;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  const long long begin = now_ns();
  const pid_t child = ::vfork();
  if (child == 0) {
    const int nowhere = ::open("/dev/null", O_WRONLY);
    if (nowhere >= 0) ::dup2(nowhere, STDOUT_FILENO);
    ::execvp(argv[1], argv + 1);
    ::_exit(127);
  }
  int status = -1;
  if (child < 0 || ::waitpid(child, &status, 0) != child) return 1;
  const long long end = now_ns();
  const int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  std::printf("{\"begin_ns\": %lld, \"end_ns\": %lld, \"status\": %d}\n", begin, end, code);
  return code;
}
