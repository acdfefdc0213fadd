#include "agent/sandbox/rank_ssh.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>

#include "common/base/shell_words.h"
#include "common/runtime/ssh_key.h"

namespace devrun::sandbox {

namespace {

// What a session runs first: the rank's environment, then what was asked for, by the shell that the caller has.
std::string session_script(const std::vector<std::string>& environment) {
  std::string out;
  for (const std::string& variable : environment) {
    const size_t equals = variable.find('=');
    if (equals == variable.npos || !is_variable_name(variable.substr(0, equals))) continue;
    out += fmt::format("export {}={}\n", variable.substr(0, equals),
                       single_quoted(variable.substr(equals + 1)));
  }
  return out +
         "shell=${SHELL:-/bin/sh}\n"
         "test -x \"$shell\" || shell=/bin/sh\n"
         "test -n \"$SSH_ORIGINAL_COMMAND\" || exec \"$shell\" -l\n"
         "exec \"$shell\" -c \"$SSH_ORIGINAL_COMMAND\"\n";
}

std::string server_config(const AttemptSpec& spec) {
  const std::string& own = spec.rank_addresses.at(spec.key.rank);
  const bool is_v6 = own.find(':') != own.npos;
  return fmt::format(
      "ListenAddress {0}:{1}\n"
      "HostKey {2}/host_key\n"
      "AuthorizedKeysFile {2}/authorized_keys\n"
      "ForceCommand exec /bin/sh {2}/session\n"
      "PidFile none\n"
      "AuthenticationMethods publickey\n"
      "PermitRootLogin yes\n"
      "StrictModes no\n"
      "UsePAM no\n"
      "PrintMotd no\n"
      "PrintLastLog no\n"
      "MaxStartups 1000\n"
      "MaxSessions 1000\n",
      is_v6 ? fmt::format("[{}]", own) : own, rank_ssh_port(spec.key), kSshFolder);
}

std::string client_config(const AttemptSpec& spec) {
  std::vector<std::string> addresses = spec.rank_addresses;
  std::ranges::sort(addresses);
  addresses.erase(std::unique(addresses.begin(), addresses.end()), addresses.end());
  // A rank that begins a little later is waited for.
  return fmt::format(
      "Host {0}\n"
      "  Port {1}\n"
      "  IdentityFile {2}/id_ed25519\n"
      "  IdentitiesOnly yes\n"
      "  UserKnownHostsFile {2}/known_hosts\n"
      "  StrictHostKeyChecking yes\n"
      "  ConnectionAttempts 600\n"
      "  LogLevel ERROR\n",
      fmt::join(addresses, " "), rank_ssh_port(spec.key), kSshFolder);
}

}  // namespace

bool has_rank_ssh(const AttemptSpec& spec) {
  const std::set<std::string_view> addresses(spec.rank_addresses.begin(),
                                             spec.rank_addresses.end());
  return spec.ranks > 1 && spec.ssh_seed.size() == kSshSeedBytes &&
         addresses.size() == spec.ranks && !addresses.contains("");
}

uint16_t rank_ssh_port(const AttemptKey& key) {
  // Below the ports that torchrun is told and those that the kernel gives to clients. Mixed well, since what follows each
  // other runs beside each other.
  constexpr uint64_t kFirst = 12'000;
  constexpr uint64_t kPorts = 8'000;
  uint64_t mixed = key.job * 0x9E3779B97F4A7C15U + (uint64_t{key.attempt} << 32U) +
                   static_cast<uint64_t>(int64_t{key.task} + 1);
  mixed = (mixed ^ (mixed >> 31U)) * 0xBF58476D1CE4E5B9U;
  return static_cast<uint16_t>(kFirst + (mixed ^ (mixed >> 29U)) % kPorts);
}

Result<std::vector<SmallFile>> rank_ssh_files(const AttemptSpec& spec,
                                              const std::vector<std::string>& environment) {
  // One pair serves for both sides: whoever has it is a rank of this attempt.
  const SshKey key = TRY(ssh_key_of(spec.ssh_seed, "devrun-" + to_string(spec.key)));
  return std::vector<SmallFile>{
      {"id_ed25519", key.private_key},
      {"host_key", key.private_key},
      {"authorized_keys", key.public_key + "\n", 0644},
      {"known_hosts", fmt::format("* {}\n", key.public_key), 0644},
      {"sshd_config", server_config(spec)},
      {"session", session_script(environment)},
      {"config", client_config(spec), 0644},
  };
}

std::string host_file(const AttemptSpec& spec) {
  const int64_t cpus = spec.resources.cpu_milli / 1000;
  const int64_t slots = std::max<int64_t>(1, spec.resources.gpus > 0 ? spec.resources.gpus : cpus);
  std::string out;
  for (const std::string& address : spec.rank_addresses) {
    out += fmt::format("{} slots={}\n", address, slots);
  }
  return out;
}

std::vector<std::string> rank_ssh_command() {
  return {"/bin/sh", "-c",
          fmt::format("test -x /usr/sbin/sshd || exit 0\n"
                      "mkdir -m 0755 -p /run/sshd 2>/dev/null\n"
                      "exec /usr/sbin/sshd -D -E /dev/shm/devrun-sshd.log -f {}/sshd_config",
                      kSshFolder)};
}

}  // namespace devrun::sandbox
