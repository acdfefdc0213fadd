#include "agent/shim/container_init.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "agent/shim/container_order.h"

namespace devrun::shim {

namespace {

constexpr int kEndIdlePatienceMs = 3000;  // shorter than the agent's grace
constexpr int kHangUpPatienceMs = 2000;

struct Failure {
  InitStage stage = InitStage::kNone;
  int error = 0;
};

// False: nobody is there to hear it.
bool say(InitMessage message, int fd_to_pass = -1) {
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
  ssize_t n = 0;
  while ((n = sendmsg(kControlFd, &header, MSG_NOSIGNAL)) < 0 && errno == EINTR) {
  }
  return n >= 0;
}

[[noreturn]] void fail(Failure failure) {
  say({InitSays::kFailed, failure.stage, failure.error});
  _exit(125);
}

// A pty whose slave belongs to the caller. Init keeps the slave open to its end, so that the master does not hang up
// while a program has closed its own.
int open_terminal(const ContainerOrder& order, int& master) {
  master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
  char name[64];
  if (master < 0 || unlockpt(master) != 0 || ptsname_r(master, name, sizeof name) != 0) return -1;
  const winsize window{static_cast<unsigned short>(order.terminal.rows),
                       static_cast<unsigned short>(order.terminal.columns), 0, 0};
  ioctl(master, TIOCSWINSZ, &window);
  const int slave = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
  const bool is_owner = !order.changes_ids || fchown(slave, order.uid, static_cast<gid_t>(-1)) == 0;
  return is_owner ? slave : -1;
}

// From root to the caller. Without root's capabilities, since the kernel takes them away with the uid, and with the
// right to get them again through sudo, as crun gives it to other containers.
bool take_ids(const ContainerOrder& order) {
  if (!order.changes_ids) return true;
  umask(order.umask);
  return setgroups(order.groups.size(), order.groups.data()) == 0 && setgid(order.gid) == 0 &&
         setuid(order.uid) == 0;
}

// The session of process `pid`, 0 if it is gone: field 6 of its stat.
pid_t session_of(const char* pid) {
  const int fd = open((std::string("/proc/") + pid + "/stat").c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  char text[512];
  const ssize_t n = read(fd, text, sizeof text - 1);
  close(fd);
  text[std::max<ssize_t>(n, 0)] = '\0';
  const char* name_end = strrchr(text, ')');  // the name may hold anything
  int session = 0;
  return name_end != nullptr && sscanf(name_end + 1, " %*c %*d %*d %d", &session) == 1 ? session
                                                                                       : 0;
}

// All processes of a session, background jobs too.
void signal_session(pid_t session, int signal_number) {
  DIR* all = opendir("/proc");
  if (all == nullptr) {
    kill(-session, signal_number);
    return;
  }
  while (const dirent* entry = readdir(all)) {
    const char* name = entry->d_name;
    if (name[0] < '0' || name[0] > '9') continue;
    if (session_of(name) == session) kill(static_cast<pid_t>(atol(name)), signal_number);
  }
  closedir(all);
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

// What comes back is a forked child of init that has a session's descriptors under their numbers.
struct BecomeSession {};

// One init, one container or session. At any time at most one child is `current_`: the setup step, then the program.
class Init {
 public:
  Init(const ContainerOrder& order, int terminal, int signals, bool is_session)
      : order_(order), terminal_(terminal), signals_(signals), is_session_(is_session) {}
  // Returns in the child that is to be the init of a session; never in this process.
  BecomeSession run();

 private:
  pid_t start(const std::vector<std::string>& argv, bool reads_stdin);
  [[noreturn]] void become(char** words, bool reads_stdin, int report);
  void start_program();
  void start_helper();
  [[noreturn]] void end(int status);
  void obey(int32_t order);
  bool fork_session(msghdr& message);
  void deliver(int signal_number);
  [[noreturn]] void end_idle(int signal_number);
  [[noreturn]] void hang_up();
  void reap();
  bool next_order();

  const ContainerOrder& order_;
  const int terminal_;
  const int signals_;
  const bool is_session_;
  pid_t current_ = 0;
  bool in_setup_ = false;
  pid_t helper_ = 0;
  bool first_rank_ended_ = false;
  bool stays_ = false;  // the program has ended with 0
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
  if (failure.error == 0 && !take_ids(order_)) failure = {InitStage::kIds, errno};
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
  // Not before: the setup step may be what installs it.
  if (!order_.helper.empty()) start_helper();
  current_ = start(order_.argv, order_.reads_stdin);
  if (!order_.tty) {
    close(kStdoutFd);
    close(kStderrFd);
    if (order_.reads_stdin) close(kStdinFd);
  }
  say({InitSays::kStarted, InitStage::kNone, 0});
}

// Not waited for: it may be a program that this volume does not have.
void Init::start_helper() {
  std::vector<char*> words = pointers(order_.helper);
  helper_ = std::max(fork(), pid_t{0});
  if (helper_ != 0 || getpid() == 1) return;
  setsid();
  for (int n = 1; n < NSIG; ++n) signal(n, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  execvp(words[0], words.data());
  _exit(127);
}

void Init::end(int status) {
  say({InitSays::kEnded, InitStage::kNone, status});
  _exit(0);
}

// INT, QUIT, TERM and HUP go to the program's process group, as a terminal or timeout(1) would send them; others to the
// program alone, since USR1 kills a child that does not expect it.
void Init::deliver(int signal_number) {
  const bool asks_for_end = signal_number == SIGINT || signal_number == SIGQUIT ||
                            signal_number == SIGTERM || signal_number == SIGHUP;
  if (order_.idle) {
    if (asks_for_end) end_idle(signal_number);
    return;
  }
  if (stays_) return;  // rank 0 gets it, too, and mpirun passes it on
  if (current_ == 0)
    end(signal_number);  // between setup step and program: what ends a program ends the wait
  if (!asks_for_end || kill(-current_, signal_number) != 0) kill(current_, signal_number);
}

// What runs in a dev container is asked first: shells go at HUP, the rest at TERM. The kernel ends what stays.
void Init::end_idle(int signal_number) {
  for (const int each : {SIGTERM, SIGHUP, SIGCONT}) kill(-1, each);
  for (int waited_ms = 0; waited_ms < kEndIdlePatienceMs; ++waited_ms) {
    pid_t pid = 0;
    while ((pid = waitpid(-1, nullptr, WNOHANG)) > 0) {
    }
    if (pid < 0) break;  // nobody is left: all that is in a pid namespace descends from here
    usleep(1000);
  }
  say({InitSays::kEnded, InitStage::kNone, signal_number});
  _exit(0);
}

// The shim of a session has died: nobody could end its program any more.
void Init::hang_up() {
  if (!is_session_ || current_ == 0) _exit(1);
  signal_session(current_, SIGHUP);
  signal_session(current_, SIGCONT);
  for (int waited_ms = 0; waited_ms < kHangUpPatienceMs; ++waited_ms) {
    if (waitpid(current_, nullptr, WNOHANG) == current_) break;
    usleep(1000);
  }
  signal_session(current_, SIGKILL);
  _exit(1);
}

void Init::obey(int32_t order) {
  if (order == kOrderKill) {
    if (current_ != 0) signal_session(current_, SIGKILL);
  } else if (order == kOrderFirstRankEnded) {
    first_rank_ended_ = true;
    if (stays_) end(0);
  } else if (order > kOrderGo) {
    deliver(order);
  } else if (order == kOrderGo && in_setup_ && current_ == 0) {
    start_program();
  }
}

// True in the child.
bool Init::fork_session(msghdr& message) {
  int fds[kInitFdsMax];
  size_t count = 0;
  for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
    count = std::min((c->cmsg_len - CMSG_LEN(0)) / sizeof(int), static_cast<size_t>(kInitFdsMax));
    memcpy(fds, CMSG_DATA(c), count * sizeof(int));
  }
  const pid_t pid = count < 2 ? -1 : fork();
  if (pid != 0) {
    for (size_t i = 0; i < count; ++i) close(fds[i]);
    return false;
  }
  close(signals_);
  if (terminal_ >= 0) close(terminal_);
  for (size_t i = 0; i < count; ++i) {
    const int moved = fcntl(fds[i], F_DUPFD, 64);
    close(fds[i]);
    fds[i] = moved;
  }
  for (int fd = kControlFd; fd <= kStdinFd; ++fd) close(fd);
  for (size_t i = 0; i < count; ++i) {
    dup2(fds[i], kControlFd + static_cast<int>(i));
    close(fds[i]);
  }
  return true;
}

// True in a child that is to be a session's init.
bool Init::next_order() {
  int32_t order = 0;
  iovec part{&order, sizeof order};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * kInitFdsMax)];
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  const ssize_t n = recvmsg(kControlFd, &message, MSG_CMSG_CLOEXEC);
  if (n < 0 && errno == EINTR) return false;
  if (n != sizeof order) hang_up();  // the shim is gone
  if (order == kOrderSession) return fork_session(message);
  obey(order);
  return false;
}

void Init::reap() {
  for (;;) {
    int status = 0;
    const pid_t pid = waitpid(-1, &status, WNOHANG);
    if (pid <= 0) return;
    if (pid == helper_) {
      helper_ = 0;
      if (stays_) end(0);
    }
    if (pid != current_) continue;
    if (in_setup_ && status == 0) {
      current_ = 0;
      say({InitSays::kSetupDone, InitStage::kNone, 0});
      continue;
    }
    if (status != 0 || !order_.stays || first_rank_ended_ || helper_ == 0) end(status);
    current_ = 0;
    stays_ = true;
    say({InitSays::kStays, InitStage::kNone, 0});
  }
}

BecomeSession Init::run() {
  if (order_.idle) {
    say({InitSays::kStarted, InitStage::kNone, 0});
  } else if (order_.setup.empty()) {
    start_program();
  } else {
    in_setup_ = true;
    current_ = start(order_.setup, false);
  }
  pollfd wanted[2] = {{signals_, POLLIN, 0}, {kControlFd, POLLIN, 0}};
  for (;;) {
    if (poll(wanted, 2, -1) < 0) continue;
    if (wanted[1].revents != 0 && next_order()) return {};
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

// In the child of an init it begins anew, as the init of a session.
BecomeSession be_init(bool is_session) {
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
    terminal = open_terminal(*order, master);
    if (terminal < 0) failure = {InitStage::kTerminal, errno};
  }
  // A session that was given up while the container was stopped begins no more.
  if (!say({}, terminal < 0 ? -1 : master) && is_session) _exit(1);
  if (failure.error != 0) fail(failure);
  if (master >= 0) close(master);
  // execvp looks along this process's PATH, so that has to be the program's.
  std::vector<char*> env = pointers(order->env);
  environ = env.data();
  return Init(*order, terminal, signals, is_session).run();
}

}  // namespace

int run_container_init() {
  be_init(false);
  for (;;) be_init(true);  // a session's init makes no sessions: this comes once
}

}  // namespace devrun::shim
