#include "cli/top/own_program.h"

#include <spawn.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <string>

#include "common/runtime/child.h"

extern char** environ;

namespace devrun::cli {

namespace {

constexpr const char* kOwnProgram = "/proc/self/exe";

std::vector<std::string> with_program(const std::vector<std::string>& words) {
  std::array<char, 4096> path{};
  const ssize_t length = ::readlink(kOwnProgram, path.data(), path.size() - 1);
  std::vector<std::string> out{length > 0 ? std::string(path.data(), static_cast<size_t>(length))
                                          : "devrun"};
  out.insert(out.end(), words.begin(), words.end());
  return out;
}

void put(const std::string& text) {
  [[maybe_unused]] const ssize_t n = ::write(STDOUT_FILENO, text.data(), text.size());
}

// -1: it could not be started; errno says why.
int spawn_and_wait(const std::vector<std::string>& words) {
  std::vector<char*> arguments;
  for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  posix_spawnattr_t attributes;
  ::posix_spawnattr_init(&attributes);
  sigset_t all;
  ::sigfillset(&all);
  ::posix_spawnattr_setsigdefault(&attributes, &all);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
  pid_t pid = 0;
  errno = ::posix_spawn(&pid, arguments[0], nullptr, &attributes, arguments.data(), environ);
  ::posix_spawnattr_destroy(&attributes);
  if (errno != 0) return -1;
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void wait_for_key() {
  termios before{};
  if (::tcgetattr(STDIN_FILENO, &before) != 0) return;
  termios raw = before;
  raw.c_lflag &= static_cast<tcflag_t>(~(ICANON | ECHO));
  ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &raw);
  char key = 0;
  while (::read(STDIN_FILENO, &key, 1) < 0 && errno == EINTR) {
  }
  ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
}

}  // namespace

Result<int> run_own(const std::vector<std::string>& words, const std::atomic<bool>& stop,
                    const std::function<void(std::string_view)>& line) {
  size_t bytes = 0;
  ChildOptions options;
  options.stop = &stop;
  options.line = [&](std::string_view text) {
    bytes += text.size() + 1;
    if (bytes <= kOwnOutputBytesMax) line(text);
  };
  const ChildResult ended = TRY(run_child_with(with_program(words), options));
  return ended.exit_status;
}

void run_own_in_terminal(const std::vector<std::string>& words) {
  std::string shown = "devrun";
  for (const std::string& word : words) shown += " " + word;
  put("\n" + shown + "\n");
  const int status = spawn_and_wait(with_program(words));
  if (status < 0) {
    put(std::string("devrun: it cannot be started: ") + std::strerror(errno) + "\n");
  }
  put("\n[" + (status == 0 ? std::string("done") : "ended with " + std::to_string(status)) +
      ": any key goes back to the monitor]");
  wait_for_key();
  put("\r\x1b[K");
}

}  // namespace devrun::cli
