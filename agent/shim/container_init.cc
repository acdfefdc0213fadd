#include "agent/shim/container_init.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "agent/shim/container_order.h"

namespace devrun::shim {

namespace {

struct Failure {
  InitStage stage = InitStage::kNone;
  int error = 0;
};

void say(InitMessage message, int fd_to_pass = -1) {
  iovec part{&message, sizeof message};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))]{};
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  if (fd_to_pass >= 0) {
    header.msg_control = control;
    header.msg_controllen = sizeof control;
    cmsghdr* c = CMSG_FIRSTHDR(&header);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(c), &fd_to_pass, sizeof fd_to_pass);
  }
  while (sendmsg(kControlFd, &header, MSG_NOSIGNAL) < 0 && errno == EINTR) {
  }
}

[[noreturn]] void fail(Failure failure) {
  say({InitSays::kFailed, failure.stage, failure.error});
  _exit(125);
}

// A pty whose slave belongs to the caller, since this process already has the caller's ids. Init keeps the slave open
// to its end, so that the master does not hang up while a program has closed its own.
int open_terminal(TerminalSize size, int& master) {
  master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
  char name[64];
  if (master < 0 || unlockpt(master) != 0 || ptsname_r(master, name, sizeof name) != 0) return -1;
  const winsize window{static_cast<unsigned short>(size.rows),
                       static_cast<unsigned short>(size.columns), 0, 0};
  ioctl(master, TIOCSWINSZ, &window);
  return open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
}

std::vector<char*> pointers(const std::vector<std::string>& texts) {
  std::vector<char*> out;
  for (const std::string& text : texts) out.push_back(const_cast<char*>(text.c_str()));
  out.push_back(nullptr);
  return out;
}

Result<ContainerOrder> read_order() {
  std::string bytes;
  char buffer[16 << 10];
  ssize_t n = 0;
  // By offset: the descriptor's own position is shared with others that have it.
  while ((n = pread(kOrderFd, buffer, sizeof buffer, static_cast<off_t>(bytes.size()))) > 0) {
    bytes.append(buffer, static_cast<size_t>(n));
  }
  return parse_container_order(bytes);
}

bool exists_on_path(const char* name) {
  if (strchr(name, '/') != nullptr) return access(name, F_OK) == 0;
  const char* path = getenv("PATH");
  std::string_view rest = path != nullptr ? path : "/bin:/usr/bin";
  while (!rest.empty()) {
    const size_t end = std::min(rest.find(':'), rest.size());
    const std::string file = std::string(rest.substr(0, end)) + "/" + name;
    if (access(file.c_str(), F_OK) == 0) return true;
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return false;
}

// One init, one container. At any time at most one child is `current_`: the setup step, then the program.
class Init {
 public:
  Init(const ContainerOrder& order, int terminal, int signals)
      : order_(order), terminal_(terminal), signals_(signals) {}
  [[noreturn]] void run();

 private:
  pid_t start(const std::vector<std::string>& argv, bool reads_stdin);
  [[noreturn]] void become(char** words, bool reads_stdin, int report);
  void start_program();
  void obey(int32_t order);
  void deliver(int signal_number);
  void reap();

  const ContainerOrder& order_;
  const int terminal_;
  const int signals_;
  pid_t current_ = 0;
  bool in_setup_ = false;
};

void Init::become(char** words, bool reads_stdin, int report) {
  // A session of its own: with a tty its leader is in the foreground, as a shell's job control needs it.
  setsid();
  Failure failure;
  if (terminal_ >= 0) {
    if (ioctl(terminal_, TIOCSCTTY, 0) != 0) failure = {InitStage::kTerminal, errno};
    for (int fd = 0; fd < 3; ++fd) dup2(terminal_, fd);
  } else {
    if (reads_stdin) dup2(kStdinFd, 0);
    dup2(kStdoutFd, 1);
    dup2(kStderrFd, 2);
  }
  if (failure.error == 0 && chdir(order_.cwd.c_str()) != 0) failure = {InitStage::kFolder, errno};
  if (failure.error == 0) {
    for (int n = 1; n < NSIG; ++n) signal(n, SIG_DFL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    execvp(words[0], words);
    failure = {InitStage::kProgram, errno};
    // ENOENT of a file that is there speaks of the interpreter in its first line, or of its ld.so.
    if (errno == ENOENT && exists_on_path(words[0])) failure.error = ELIBACC;
  }
  [[maybe_unused]] const ssize_t n = write(report, &failure, sizeof failure);
  _exit(125);
}

// Returns once it is another program, so that a failed exec is never mistaken for a program's own status.
pid_t Init::start(const std::vector<std::string>& argv, bool reads_stdin) {
  std::vector<char*> words = pointers(argv);
  int report[2];
  if (pipe2(report, O_CLOEXEC) != 0) fail({InitStage::kFork, errno});
  const pid_t pid = fork();
  if (pid < 0) fail({InitStage::kFork, errno});
  if (pid == 0) become(words.data(), reads_stdin, report[1]);
  close(report[1]);
  Failure failure;
  ssize_t n = 0;
  while ((n = read(report[0], &failure, sizeof failure)) < 0 && errno == EINTR) {
  }
  close(report[0]);
  if (n == sizeof failure) fail(failure);
  return pid;
}

void Init::start_program() {
  in_setup_ = false;
  current_ = start(order_.argv, order_.reads_stdin);
  if (!order_.tty) {
    close(kStdoutFd);
    close(kStderrFd);
    if (order_.reads_stdin) close(kStdinFd);
  }
  say({InitSays::kStarted, InitStage::kNone, 0});
}

// INT, QUIT, TERM and HUP go to the program's process group, as a terminal or timeout(1) would send them; others to the
// program alone, since USR1 kills a child that does not expect it.
void Init::deliver(int signal_number) {
  if (current_ == 0) {  // between setup step and program: what ends a program ends the wait
    say({InitSays::kEnded, InitStage::kNone, signal_number});
    _exit(0);
  }
  const bool group = signal_number == SIGINT || signal_number == SIGQUIT ||
                     signal_number == SIGTERM || signal_number == SIGHUP;
  if (!group || kill(-current_, signal_number) != 0) kill(current_, signal_number);
}

void Init::obey(int32_t order) {
  if (order != kOrderGo) {
    deliver(order);
  } else if (in_setup_ && current_ == 0) {
    start_program();
  }
}

void Init::reap() {
  for (;;) {
    int status = 0;
    const pid_t pid = waitpid(-1, &status, WNOHANG);
    if (pid <= 0) return;
    if (pid != current_) continue;
    if (in_setup_ && status == 0) {
      current_ = 0;
      say({InitSays::kSetupDone, InitStage::kNone, 0});
      continue;
    }
    say({InitSays::kEnded, InitStage::kNone, status});
    _exit(0);
  }
}

void Init::run() {
  if (order_.setup.empty()) {
    start_program();
  } else {
    in_setup_ = true;
    current_ = start(order_.setup, false);
  }
  pollfd wanted[2] = {{signals_, POLLIN, 0}, {kControlFd, POLLIN, 0}};
  for (;;) {
    if (poll(wanted, 2, -1) < 0) continue;
    if (wanted[1].revents != 0) {
      int32_t order = 0;
      if (recv(kControlFd, &order, sizeof order, 0) != sizeof order) _exit(1);  // the shim is gone
      obey(order);
    }
    if (wanted[0].revents == 0) continue;
    signalfd_siginfo info{};
    if (read(signals_, &info, sizeof info) != sizeof info) continue;
    if (info.ssi_signo == SIGCHLD) {
      reap();
    } else {
      deliver(static_cast<int>(info.ssi_signo));  // from inside: `kill 1`
    }
  }
}

}  // namespace

int run_container_init() {
  for (int fd = kControlFd; fd <= kStdinFd; ++fd) fcntl(fd, F_SETFD, FD_CLOEXEC);
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, nullptr);
  const int signals = signalfd(-1, &all, SFD_CLOEXEC);
  const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  for (int fd = 0; fd < 3; ++fd) dup2(null, fd);  // crun's own streams go no further
  const Result<ContainerOrder> order = read_order();
  close(kOrderFd);
  int master = -1;
  int terminal = -1;
  Failure failure;
  if (!order) {
    failure = {InitStage::kOrder, EINVAL};
  } else if (order->tty) {
    terminal = open_terminal(order->terminal, master);
    if (terminal < 0) failure = {InitStage::kTerminal, errno};
  }
  say({}, terminal < 0 ? -1 : master);
  if (failure.error != 0) fail(failure);
  if (master >= 0) close(master);
  // execvp looks along this process's PATH, so that has to be the program's.
  std::vector<char*> env = pointers(order->env);
  environ = env.data();
  Init(*order, terminal, signals).run();
}

}  // namespace devrun::shim
