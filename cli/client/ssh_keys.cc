#include "cli/client/ssh_keys.h"

#include <fmt/format.h>
#include <sys/random.h>
#include <unistd.h>

#include <cerrno>

#include "common/runtime/file.h"
#include "common/tree/codec.h"

namespace devrun::cli {

namespace {

constexpr size_t kSecretBytesMax = 1024;

std::string secret_in(const std::string& folder) {
  return folder + "/secret";
}

constexpr int64_t kHostKeySeconds = 600;

Digest seed_for(const Digest& secret, std::string_view purpose) {
  return tree::sha256(fmt::format("devrun ssh {}\n{}", purpose, secret.hex()));
}

Result<SshKeys> keys_of(const Digest& secret) {
  SshKeys out;
  out.user = TRY(ssh_key_of(seed_for(secret, "user").view(), "devrun"));
  out.authority_seed = seed_for(secret, "authority");
  out.authority = TRY(ssh_key_of(out.authority_seed.view(), "devrun")).public_key;
  return out;
}

Result<Digest> random_bytes() {
  Digest out;
  if (::getrandom(out.bytes.data(), out.bytes.size(), 0) ==
      static_cast<ssize_t>(out.bytes.size())) {
    return out;
  }
  return errno_error("getrandom", errno);
}

std::string known_hosts(const SshKeys& keys) {
  return fmt::format("@cert-authority {} {}\n", kSshHosts, keys.authority);
}

Status keep_known_hosts(const std::string& folder, const SshKeys& keys) {
  const std::string path = folder + "/known_hosts";
  const Result<std::string> there = read_file(path, kSecretBytesMax);
  if (there && *there == known_hosts(keys)) return ok();
  return write_file_atomically(path, known_hosts(keys));
}

// Whoever is first has made it, for all.
Status make_secret(const std::string& folder) {
  const Digest secret = TRY(random_bytes());
  const std::string draft = fmt::format("{}.{}", secret_in(folder), ::gettid());
  TRY(write_file_durably(draft, secret.hex() + "\n", 0600));
  const bool linked = ::link(draft.c_str(), secret_in(folder).c_str()) == 0 || errno == EEXIST;
  const int why = errno;
  ::unlink(draft.c_str());
  if (linked) return ok();
  return errno_error("make " + secret_in(folder), why);
}

}  // namespace

Result<std::string> ssh_folder(const Surroundings& surroundings) {
  if (const auto home = surroundings.variable("HOME")) return *home + "/.config/devrun/ssh";
  return Error{Code::kInvalid, "HOME is not set, so where are the keys for ssh?",
               "export HOME=~, and the same again"};
}

Result<SshKeys> load_ssh_keys(const std::string& folder) {
  const Result<std::string> text = read_file(secret_in(folder), kSecretBytesMax);
  if (!text && text.error().code == Code::kNotFound) {
    return Error{Code::kNotFound, fmt::format("there are no keys for ssh in {}", folder),
                 "devrun ssh-config --write"};
  }
  if (!text) return text.error();
  const std::string hex = text->substr(0, text->find('\n'));
  if (const auto secret = Digest::from_hex(hex)) {
    SshKeys keys = TRY(keys_of(*secret));
    TRY(keep_known_hosts(folder, keys));
    return keys;
  }
  return Error{Code::kCorrupt, secret_in(folder) + " is not what devrun has written there",
               fmt::format("rm {}; devrun ssh-config --write", secret_in(folder))};
}

Result<SshKeys> make_ssh_keys(const std::string& folder) {
  TRY(make_folders(folder, 0700));
  Result<SshKeys> keys = load_ssh_keys(folder);
  if (!keys && keys.error().code == Code::kNotFound) {
    TRY(make_secret(folder));
    keys = load_ssh_keys(folder);
  }
  if (!keys) return keys;
  TRY(write_file_atomically(folder + "/id_ed25519", keys->user.private_key, 0600));
  TRY(write_file_atomically(folder + "/id_ed25519.pub", keys->user.public_key + " devrun\n"));
  return keys;
}

Result<SshHostKey> new_host_key(const SshKeys& keys, const std::string& name, Time now) {
  const Digest seed = TRY(random_bytes());
  const Digest nonce = TRY(random_bytes());
  const int64_t at = now.us / 1'000'000;
  return SshHostKey{TRY(ssh_key_of(seed.view(), "devrun")).private_key,
                    TRY(ssh_host_certificate({keys.authority_seed.view(), seed.view(), nonce.view(),
                                              name, at - kHostKeySeconds, at + kHostKeySeconds}))};
}

}  // namespace devrun::cli
