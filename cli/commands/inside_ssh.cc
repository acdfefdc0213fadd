#include "cli/commands/inside_ssh.h"

#include <fmt/format.h>
#include <grp.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <filesystem>

#include "cli/client/caller.h"
#include "cli/commands/program_path.h"
#include "cli/commands/sshd_files.h"
#include "common/runtime/file.h"

namespace devrun::cli {

namespace {

constexpr size_t kFileBytesMax = 16 << 20;
constexpr const char* kSshdPath = "/usr/sbin:/usr/local/sbin:/sbin:/usr/bin:/usr/local/bin:/bin";
constexpr const char* kSeparationFolder =
    "/run/sshd";  // Debian's; other sshds have theirs in the volume
constexpr const char* kSeparationUser = "sshd";

std::string text_of(const std::string& path) {
  const Result<std::string> text = read_file(path, kFileBytesMax);
  return text ? *text : std::string();
}

// Which container this is, in words and for hints.
struct Place {
  explicit Place(const Surroundings& here)
      : job(here.variable("DEVRUN_JOB_ID").value_or("")),
        volume(here.variable("DEVRUN_VOLUME").value_or("")),
        host(here.variable(kSshHostVariable).value_or("HOST.devrun")) {}
  std::string words() const {
    return job.empty() ? "volume " + volume : fmt::format("job {} (volume {})", job, volume);
  }
  // A command in the volume that mends it; a job has the snapshot that it has.
  std::string mended_by(const std::string& command) const {
    const std::string again = job.empty() ? "" : "; then the job anew, in a newer snapshot";
    return fmt::format("devrun shell {} -- {}{}", volume, command, again);
  }
  std::string job, volume, host;
};

Result<std::string> find_sshd(const Place& place) {
  for (const std::string_view folder :
       {"/usr/sbin", "/usr/local/sbin", "/sbin", "/usr/bin", "/usr/local/bin"}) {
    const std::string path = fmt::format("{}/sshd", folder);
    if (::access(path.c_str(), X_OK) == 0) return path;
  }
  const std::string install =
      sshd_install_words([](const char* program) { return is_program(program, kSshdPath); });
  return Error{Code::kNotFound, place.words() + " has no sshd, which ssh needs there",
               install.empty() ? "install OpenSSH's server in it" : place.mended_by(install)};
}

// Who is to be served.
Result<PasswdEntry> whom(const Place& place, const std::string& asked) {
  const std::string passwd = text_of("/etc/passwd");
  const uint32_t own_uid = ::geteuid();
  const auto own = find_passwd_entry(passwd, own_uid);
  if (own_uid != 0 && !own) {
    return Error{Code::kNotFound,
                 fmt::format("uid {} has no name in /etc/passwd of {}, and sshd wants one", own_uid,
                             place.words()),
                 place.mended_by(fmt::format("useradd -u {} NAME", own_uid))};
  }
  if (asked.empty() && own) return *own;
  const auto wanted = find_passwd_entry(passwd, asked);
  if (own_uid != 0 && (!wanted || wanted->uid != own_uid)) {
    return Error{Code::kDenied,
                 fmt::format("{} runs as {}, and nobody else can log in there: not '{}'",
                             place.words(), own->user, asked),
                 fmt::format("ssh {}@{}", own->user, place.host)};
  }
  if (wanted) return *wanted;
  return Error{
      Code::kNotFound, fmt::format("there is no user '{}' in {}", asked, place.words()),
      fmt::format("ssh root@{}; devrun ssh-config --user root, to be root unless said otherwise",
                  place.host)};
}

// What an sshd of root's insists on.
Status ready_for_root(const Place& place, const PasswdEntry& user) {
  if (!find_passwd_entry(text_of("/etc/passwd"), std::string_view(kSeparationUser))) {
    return Error{Code::kNotFound,
                 fmt::format("{} has no user '{}', as whom its sshd speaks to strangers",
                             place.words(), kSeparationUser),
                 place.mended_by("useradd -r -d /run/sshd -s /usr/sbin/nologin sshd")};
  }
  if (is_locked(text_of("/etc/shadow"), user.user)) {
    return Error{Code::kDenied,
                 fmt::format("the account of {} is locked in {} (a password beginning with '!'), "
                             "and sshd lets nobody into such",
                             user.user, place.words()),
                 place.mended_by(fmt::format("usermod -p '*' {}", user.user))};
  }
  ::mkdir(kSeparationFolder, 0755);  // without it sshd says so
  return ok();
}

Status become(const PasswdEntry& user) {
  const std::vector<uint32_t> groups = groups_of(text_of("/etc/group"), user.user, user.gid);
  if (::setgroups(groups.size(), groups.data()) == 0 && ::setgid(user.gid) == 0 &&
      ::setuid(user.uid) == 0) {
    return ok();
  }
  return errno_error("become " + user.user, errno);
}

// A folder that is the user's alone, for the time of the connection.
class KeyFolder {
 public:
  KeyFolder() = default;
  ~KeyFolder() {
    std::error_code failed;
    if (!path_.empty()) std::filesystem::remove_all(path_, failed);
  }
  KeyFolder(const KeyFolder&) = delete;
  KeyFolder& operator=(const KeyFolder&) = delete;

  Status make() {
    for (const char* pattern : {"/dev/shm/devrun-ssh.XXXXXX", "/tmp/devrun-ssh.XXXXXX"}) {
      std::string path = pattern;
      if (::mkdtemp(path.data()) == nullptr) continue;
      path_ = path;
      return ok();
    }
    return errno_error("make a folder in /tmp for sshd's keys", errno);
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

volatile std::sig_atomic_t ended_by = 0;

// To its end. Signals that end it are its own to hear: the folder of its keys is ours to remove, and the status says which
// it was (128+N), since a container that ends tells all that is in it so.
Result<int> run_sshd(const std::string& program, const std::string& config) {
  struct sigaction note {};
  note.sa_handler = [](int number) { ended_by = number; };
  sigset_t defaults;
  sigemptyset(&defaults);
  sigaddset(&defaults, SIGPIPE);
  for (const int number : {SIGHUP, SIGINT, SIGQUIT, SIGTERM}) {
    ::sigaction(number, &note, nullptr);
    sigaddset(&defaults, number);
  }
  posix_spawnattr_t attributes;
  ::posix_spawnattr_init(&attributes);
  ::posix_spawnattr_setsigdefault(&attributes, &defaults);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
  std::vector<std::string> words{program, "-i", "-e", "-f", config};
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  // Of ours it needs nothing: what it starts gets the configuration's.
  std::array<char*, 1> environment{nullptr};
  pid_t pid = 0;
  const int failed =
      ::posix_spawn(&pid, program.c_str(), nullptr, &attributes, argv.data(), environment.data());
  ::posix_spawnattr_destroy(&attributes);
  if (failed != 0) return errno_error("run " + program, failed);
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (ended_by != 0) return 128 + ended_by;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace

Result<int> serve_ssh(const Context& context) {
  const Surroundings& here = context.surroundings;
  const auto host_key = here.variable(kSshHostKeyVariable);
  const auto host_certificate = here.variable(kSshHostCertificateVariable);
  const auto user_key = here.variable(kSshUserKeyVariable);
  if (!host_key || !host_certificate || !user_key) {
    return Error{Code::kInvalid, "--inside ssh is for devrun ssh-proxy", "devrun help ssh-config"};
  }
  const Place place(here);
  const std::string sshd = TRY(find_sshd(place));
  const PasswdEntry user = TRY(whom(place, here.variable(kSshUserVariable).value_or("")));
  if (user.uid == 0) TRY(ready_for_root(place, user));
  if (::geteuid() != user.uid) TRY(become(user));
  KeyFolder folder;
  TRY(folder.make());
  const std::string config = folder.path() + "/sshd_config";
  TRY(write_file_atomically(folder.path() + "/host_key", *host_key, 0600));
  TRY(write_file_atomically(folder.path() + "/host_key-cert.pub", *host_certificate, 0600));
  TRY(write_file_atomically(folder.path() + "/authorized_keys", *user_key + "\n", 0600));
  TRY(write_file_atomically(config, sshd_config(folder.path(), here.environment), 0600));
  return run_sshd(sshd, config);
}

}  // namespace devrun::cli
