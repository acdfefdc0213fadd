#include "agent/sandbox/rank_ssh.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <memory>
#include <set>

#include "common/base/base64.h"
#include "common/base/shell_words.h"

namespace devrun::sandbox {

namespace {

constexpr size_t kKeyBytes = 32;
constexpr std::string_view kKeyType = "ssh-ed25519";

void put_number(std::string& out, uint32_t number) {
  for (const int shift : {24, 16, 8, 0}) out.push_back(static_cast<char>(number >> shift));
}

void put_string(std::string& out, std::string_view text) {
  put_number(out, static_cast<uint32_t>(text.size()));
  out += text;
}

std::string public_blob(std::string_view point) {
  std::string out;
  put_string(out, kKeyType);
  put_string(out, point);
  return out;
}

// "openssh-key-v1", no cipher, one key.
std::string private_blob(std::string_view seed, std::string_view point, std::string_view comment) {
  std::string secret;
  put_number(secret,
             0);  // two equal numbers: decrypted rightly, of which there is no question here
  put_number(secret, 0);
  put_string(secret, kKeyType);
  put_string(secret, point);
  put_string(secret, std::string(seed) + std::string(point));
  put_string(secret, comment);
  for (char pad = 1; secret.size() % 8 != 0; ++pad) secret.push_back(pad);
  std::string out("openssh-key-v1\0", 15);
  put_string(out, "none");
  put_string(out, "none");
  put_string(out, "");
  put_number(out, 1);
  put_string(out, public_blob(point));
  put_string(out, secret);
  return out;
}

std::string pem(std::string_view blob) {
  constexpr size_t kColumns = 70;
  std::string out = "-----BEGIN OPENSSH PRIVATE KEY-----\n";
  const std::string text = base64(blob);
  for (size_t at = 0; at < text.size(); at += kColumns) out += text.substr(at, kColumns) + "\n";
  return out + "-----END OPENSSH PRIVATE KEY-----\n";
}

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
  return spec.ranks > 1 && spec.ssh_seed.size() == kKeyBytes && addresses.size() == spec.ranks &&
         !addresses.contains("");
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

Result<SshKey> ssh_key_of(std::string_view seed, const std::string& comment) {
  const Error failed{Code::kInternal, "no key for ssh between ranks could be made", {}};
  if (seed.size() != kKeyBytes) return failed;
  const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(
      EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr,
                                   reinterpret_cast<const unsigned char*>(seed.data()),
                                   seed.size()),
      &EVP_PKEY_free);
  std::array<unsigned char, kKeyBytes> point{};
  size_t length = point.size();
  if (!key || EVP_PKEY_get_raw_public_key(key.get(), point.data(), &length) != 1) return failed;
  const std::string_view text(reinterpret_cast<const char*>(point.data()), point.size());
  return SshKey{pem(private_blob(seed, text, comment)),
                fmt::format("{} {}", kKeyType, base64(public_blob(text)))};
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
