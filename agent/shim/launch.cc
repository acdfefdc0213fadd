#include "agent/shim/launch.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "agent/shim/abstract_sockets.h"
#include "common/runtime/file.h"
#include "common/runtime/pipe.h"
#include "common/runtime/unix_socket.h"

namespace devrun::shim {

namespace {

constexpr int kPipeBytes = 1 << 20;

Result<Pipe> make_stream(const LaunchOptions& options) {
  Pipe pipe = TRY(make_pipe());
  const int fd = pipe.read.get();
  ::fcntl(fd, F_SETPIPE_SZ, kPipeBytes);  // a refusal leaves 64 KiB, which works too
  // Both ends are one inode.
  if (::fchown(fd, options.order.uid, options.order.gid) != 0)
    return errno_error("chown a pipe", errno);
  return pipe;
}

void make_nonblocking(int fd) {
  ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK);
}

std::vector<std::string> crun_words(const LaunchOptions& options, size_t descriptors) {
  return {options.crun,
          "--root=" + options.crun_root,
          "--log=" + options.log,
          "--cgroup-manager=disabled",
          "run",
          "--detach",
          fmt::format("--preserve-fds={}", descriptors),
          "--bundle=" + options.bundle,
          options.id};
}

// In the child. `fds` get the numbers from kControlFd on.
[[noreturn]] void become_crun(pid_t shim, char* const* words, const std::vector<UniqueFd>& fds,
                              const std::vector<std::string>& cgroup_files, int go, int log) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != shim) ::_exit(1);  // it died before
  for (const std::string& file : cgroup_files) {
    const int fd = ::open(file.c_str(), O_WRONLY | O_CLOEXEC);
    [[maybe_unused]] const ssize_t n = ::write(fd, "0", 1);
    ::close(fd);
  }
  shut_out_abstract_sockets();
  char byte = 0;
  ssize_t n = 0;
  while ((n = ::read(go, &byte, 1)) < 0 && errno == EINTR) {
  }
  if (n != 1) ::_exit(0);
  ::dup2(log, 1);
  ::dup2(log, 2);
  // First out of the way of the numbers that they are to get.
  int moved[8];
  for (size_t i = 0; i < fds.size(); ++i) moved[i] = ::fcntl(fds[i].get(), F_DUPFD_CLOEXEC, 64);
  for (size_t i = 0; i < fds.size(); ++i) ::dup2(moved[i], kControlFd + static_cast<int>(i));
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::execvp(words[0], words);
  const std::string_view why = "devrun-shim: cannot run crun: ";
  [[maybe_unused]] ssize_t m = ::write(2, why.data(), why.size());
  const char* text = ::strerrordesc_np(errno);
  m = ::write(2, text, ::strlen(text));
  ::_exit(127);
}

}  // namespace

Result<std::vector<UniqueFd>> make_handover(const LaunchOptions& options, Launched& out) {
  std::vector<UniqueFd> theirs;
  int sockets[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) != 0) {
    return errno_error("socketpair", errno);
  }
  out.control.reset(sockets[0]);
  theirs.emplace_back(sockets[1]);
  const int on = 1;
  ::setsockopt(out.control.get(), SOL_SOCKET, SO_PASSCRED, &on, sizeof on);
  make_nonblocking(out.control.get());
  theirs.push_back(TRY(open_file(options.order_path, O_RDONLY)));
  if (options.order.tty || options.order.idle) return theirs;
  Pipe stdout_pipe = TRY(make_stream(options));
  Pipe stderr_pipe = TRY(make_stream(options));
  out.out = std::move(stdout_pipe.read);
  out.err = std::move(stderr_pipe.read);
  make_nonblocking(out.out.get());
  make_nonblocking(out.err.get());
  theirs.push_back(std::move(stdout_pipe.write));
  theirs.push_back(std::move(stderr_pipe.write));
  if (options.order.reads_stdin) {
    Pipe stdin_pipe = TRY(make_stream(options));
    out.in = std::move(stdin_pipe.write);
    make_nonblocking(out.in.get());
    theirs.push_back(std::move(stdin_pipe.read));
  }
  return theirs;
}

Result<Launched> launch(const LaunchOptions& options) {
  Launched out;
  Pipe go = TRY(make_pipe());
  const UniqueFd go_read = std::move(go.read);
  out.go = std::move(go.write);
  const UniqueFd log = TRY(open_file(options.log, O_WRONLY | O_CREAT | O_APPEND, 0640));
  const std::vector<UniqueFd> theirs = TRY(make_handover(options, out));
  std::vector<std::string> text = crun_words(options, theirs.size());
  std::vector<char*> words;
  for (std::string& word : text) words.push_back(word.data());
  words.push_back(nullptr);
  std::vector<std::string> cgroup_files;
  for (const std::string& folder : options.cgroups)
    cgroup_files.push_back(folder + "/cgroup.procs");
  const pid_t shim = ::getpid();
  out.crun = ::fork();
  if (out.crun < 0) return errno_error("fork", errno);
  if (out.crun == 0) {
    ::close(out.go.get());
    become_crun(shim, words.data(), theirs, cgroup_files, go_read.get(), log.get());
  }
  return out;
}

Result<Launched> launch_session(const LaunchOptions& options) {
  Launched out;
  const std::vector<UniqueFd> theirs = TRY(make_handover(options, out));
  const UniqueFd lender = TRY(connect_unix(options.join));
  const Frame frame = TRY(receive_frame(lender.get()));
  if (!frame.fd) return Error{Code::kUnavailable, "the container is about to end", {}};
  int fds[kInitFdsMax];
  for (size_t i = 0; i < theirs.size(); ++i) fds[i] = theirs[i].get();
  int32_t order = kOrderSession;
  iovec part{&order, sizeof order};
  alignas(cmsghdr) char buffer[CMSG_SPACE(sizeof fds)]{};
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  header.msg_control = buffer;
  header.msg_controllen = CMSG_SPACE(theirs.size() * sizeof(int));
  cmsghdr* c = CMSG_FIRSTHDR(&header);
  c->cmsg_level = SOL_SOCKET;
  c->cmsg_type = SCM_RIGHTS;
  c->cmsg_len = CMSG_LEN(theirs.size() * sizeof(int));
  std::memcpy(CMSG_DATA(c), fds, theirs.size() * sizeof(int));
  if (::sendmsg(frame.fd.get(), &header, MSG_NOSIGNAL) < 0) {
    return errno_error("ask the container's init for a session", errno);
  }
  return out;
}

Result<InitNews> receive_from_init(int control) {
  InitNews news;
  iovec part{&news.message, sizeof news.message};
  alignas(cmsghdr) char buffer[CMSG_SPACE(sizeof(int)) + CMSG_SPACE(sizeof(ucred))];
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  header.msg_control = buffer;
  header.msg_controllen = sizeof buffer;
  const ssize_t n = ::recvmsg(control, &header, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return Error{Code::kTimeout, "nothing yet", {}};
  if (n != sizeof news.message) return Error{Code::kUnavailable, "init is gone", {}};
  for (cmsghdr* c = CMSG_FIRSTHDR(&header); c != nullptr; c = CMSG_NXTHDR(&header, c)) {
    if (c->cmsg_level != SOL_SOCKET) continue;
    if (c->cmsg_type == SCM_RIGHTS) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(c), sizeof fd);
      news.master.reset(fd);
      make_nonblocking(fd);
    } else if (c->cmsg_type == SCM_CREDENTIALS) {
      ucred credentials{};
      std::memcpy(&credentials, CMSG_DATA(c), sizeof credentials);
      news.pid = credentials.pid;
    }
  }
  return news;
}

std::string crun_reason(const std::string& log) {
  Result<std::string> text = read_file(log, 1 << 20);
  if (!text) return "it left no message";
  std::string_view rest = *text;
  while (!rest.empty() && rest.back() == '\n') rest.remove_suffix(1);
  const size_t line = rest.rfind('\n');
  if (line != std::string_view::npos) rest.remove_prefix(line + 1);
  // 2026-11-21T01:34:00.000000000Z: message
  const size_t stamp = rest.find("Z: ");
  if (stamp != std::string_view::npos && stamp < 40) rest.remove_prefix(stamp + 3);
  return rest.empty() ? "it left no message" : std::string(rest);
}

Ending ending_of_status(int wait_status) {
  Ending ending;
  if (WIFSIGNALED(wait_status)) {
    const int number = WTERMSIG(wait_status);
    const char* name = ::sigabbrev_np(number);
    ending.status = 128 + number;
    ending.reason = fmt::format("killed by signal {}{}", number,
                                name == nullptr ? "" : fmt::format(" ({})", name));
    return ending;
  }
  ending.status = WEXITSTATUS(wait_status);
  return ending;
}

Ending ending_of_failure(const InitMessage& failed, const ContainerOrder& order, bool in_setup) {
  const std::string program = in_setup             ? order.setup.front()
                              : order.argv.empty() ? std::string()
                                                   : order.argv.front();
  const std::string why = std::strerror(failed.value);
  switch (failed.stage) {
    case InitStage::kFolder:
      return {EndCause::kNotStarted, 125, fmt::format("cannot enter {}: {}", order.cwd, why),
              "choose another folder with -C DIR",
              failed.value == ENOENT || failed.value == ENOTDIR || failed.value == EACCES
                  ? Fault::kCaller
                  : Fault::kNode};
    case InitStage::kProgram: {
      if (failed.value == ENOENT || failed.value == ENOTDIR) {
        return {EndCause::kExited, 127, fmt::format("{}: command not found", program),
                "check the name and PATH, or install it in the volume: devrun shell"};
      }
      if (failed.value == ELIBACC) {
        return {EndCause::kExited, 126,
                fmt::format("{}: its interpreter or its libraries' loader is missing", program),
                "look at the first line of the file, or at what `file` says of it"};
      }
      return {EndCause::kExited, 126, fmt::format("{}: {}", program, why),
              failed.value == EACCES ? fmt::format("chmod +x {}", program) : std::string()};
    }
    case InitStage::kTerminal:
      return {EndCause::kNotStarted, 125, "cannot make a terminal in the container: " + why,
              "run it without one: devrun -T"};
    case InitStage::kIds:
      return {EndCause::kNotStarted,
              125,
              fmt::format("cannot be {}:{} in the container: {}", order.uid, order.gid, why),
              {}};
    case InitStage::kOrder:
    case InitStage::kFork:
    case InitStage::kNone:
      break;
  }
  return {EndCause::kNotStarted, 125, "cannot start a process in the container: " + why, {}};
}

}  // namespace devrun::shim
