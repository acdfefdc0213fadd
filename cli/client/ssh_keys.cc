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

Result<SshKey> key_for(const Digest& secret, std::string_view purpose) {
  const Digest seed = tree::sha256(fmt::format("devrun ssh {}\n{}", purpose, secret.hex()));
  return ssh_key_of(seed.view(), "devrun");
}

Result<SshKeys> keys_of(const Digest& secret) {
  return SshKeys{TRY(key_for(secret, "user")), TRY(key_for(secret, "host"))};
}

// Whoever is first has made it, for all.
Status make_secret(const std::string& folder) {
  Digest secret;
  if (::getrandom(secret.bytes.data(), secret.bytes.size(), 0) !=
      static_cast<ssize_t>(secret.bytes.size())) {
    return errno_error("getrandom", errno);
  }
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
  if (const auto secret = Digest::from_hex(hex)) return keys_of(*secret);
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
  TRY(write_file_atomically(folder + "/known_hosts",
                            fmt::format("{} {}\n", kSshHosts, keys->host.public_key)));
  return keys;
}

}  // namespace devrun::cli
