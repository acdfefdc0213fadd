// `devrun ssh-proxy`: what ssh runs to reach a dev container or a job. A session there runs an sshd for this one connection
// (inside_ssh.h), and its stdin and stdout are ours, which are ssh's.
#include <fmt/format.h>
#include <poll.h>

#include <cctype>
#include <csignal>

#include "cli/client/caller.h"
#include "cli/client/ssh_keys.h"
#include "cli/commands/attached_run.h"
#include "cli/commands/connect.h"
#include "cli/commands/dev_container.h"
#include "cli/commands/inside.h"
#include "cli/commands/ssh_hosts.h"
#include "cli/commands/sshd_files.h"

namespace devrun::cli {

namespace {

constexpr Option kOptions[] = {kHelpOption};
constexpr Example kExamples[] = {{"ssh -o 'ProxyCommand devrun ssh-proxy %n %r' root@ada.devrun",
                                  "what the configuration does"}};

std::string setting(const char* name, const std::string& value) {
  return fmt::format("{}={}", name, value);
}

struct Wanted {
  SshHost host;
  std::string name;  // of the host, as ssh verifies it
  std::string user;
};

Result<SessionWish> session_for(const Wanted& wanted, const SshKeys& keys, const Caller& caller,
                                const Surroundings& here) {
  SessionWish out;
  out.id = TRY(new_request_id());
  out.program.argv = {kInsideProgram, kInsideOption, kInsideSsh};
  out.program.cwd = "/";  // sshd goes to the user's home
  out.program.reads_stdin = true;
  out.program.caller = caller;
  std::vector<std::string> settings;
  if (!wanted.host.job) settings = login_settings(caller, here);
  settings.push_back(setting(kSshHostVariable, ssh_name_of(wanted.host)));
  if (!wanted.user.empty()) settings.push_back(setting(kSshUserVariable, wanted.user));
  const SshHostKey host_key = TRY(new_host_key(keys, wanted.name, wall_clock()));
  settings.push_back(setting(kSshHostKeyVariable, host_key.private_key));
  settings.push_back(setting(kSshHostCertificateVariable, host_key.certificate));
  settings.push_back(setting(kSshUserKeyVariable, keys.user.public_key));
  out.env = TRY(environment_block({}, settings));
  return out;
}

// From outside the volume's root, who may become anybody there: whoever may come from outside owns it. From inside
// everybody is themselves.
Result<Caller> caller_of(const Target& target) {
  Caller root{0, 0, {}, 022, "root", "/root"};
  if (!target.through_socket) return root;
  Caller out = TRY(capture_caller());
  if (out.home.empty()) out.home = "/";
  return out;
}

bool nobody_reads(int out) {
  pollfd looked{out, 0, 0};
  return ::poll(&looked, 1, 0) == 1 && (looked.revents & (POLLERR | POLLHUP)) != 0;
}

Result<int> connect(const Wanted& wanted, Context& context) {
  const SshHost& host = wanted.host;
  const std::string folder = TRY(ssh_folder(context.surroundings));
  const SshKeys keys = TRY(load_ssh_keys(folder));
  Signals signals = TRY(Signals::take());
  const auto controller = TRY(controller_of(context));
  const Caller caller = TRY(caller_of(controller->target()));
  Following following;
  following.write_stdin = true;
  following.quiet = true;
  following.signals_end_us = true;
  const auto once = [&]() -> Result<int> {
    if (host.job) {
      following.task = host.job->task_key();
      following.rank = host.job->rank;
    } else {
      const Submission submission = TRY(container_of(host.volume));
      following.task = {TRY(submit_interruptibly(*controller, signals, submission)).job, kNoTask};
    }
    following.session = TRY(session_for(wanted, keys, caller, context.surroundings));
    return follow_job(*controller, context, signals, following);
  };
  const int status = TRY(host.job ? once() : with_patience(once));
  const bool asked_to_end = status == 128 + SIGTERM || status == 128 + SIGHUP;
  if (nobody_reads(context.console.out())) return status;  // ssh has left, which ended the session
  const auto ended =
      job_that_ended(*controller, following.task, asked_to_end ? 128 + SIGKILL : status);
  if (!ended) return status;
  return Error{Code::kConflict, has_ended_words(*ended) + ", and the connection with it",
               host.job ? "devrun show " + to_string(*host.job) : "devrun shell " + host.volume};
}

Result<Action> parse(const Arguments& arguments) {
  if (arguments.has_dashes || arguments.words.empty() || arguments.words.size() > 2) {
    return Error{Code::kInvalid, "expected a host, and a user's name", {}};
  }
  Wanted wanted;
  wanted.host = TRY(parse_ssh_host(arguments.words[0]));
  for (const char c : arguments.words[0]) {
    wanted.name.push_back(static_cast<char>(std::tolower(static_cast<unsigned char>(c))));
  }
  if (arguments.words.size() == 2) wanted.user = arguments.words[1];
  return Action([=](Context& context) { return connect(wanted, context); });
}

}  // namespace

Command ssh_proxy_command() {
  return {
      {.name = "ssh-proxy",
       .usage = {"ssh-proxy HOST [USER]"},
       .purpose = "for ssh: carries one connection to a dev container or a job",
       .text = "What `devrun ssh-config` tells ssh to run. HOST is VOLUME.devrun, or "
               "JOB.devrun, such as 42.devrun,\n42_3.devrun, 42.1.devrun. The volume's own sshd "
               "is run there for the connection, which is stdin and\nstdout; it listens on no "
               "port. Who may use `devrun shell` or `devrun exec` there may use this.",
       .options = kOptions,
       .examples = kExamples},
      parse};
}

}  // namespace devrun::cli
