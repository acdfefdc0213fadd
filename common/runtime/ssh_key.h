// Key pairs as OpenSSH has them, each made of 32 bytes: who knows these has the pair, on whatever machine, and none has to
// be sent. The private one is in the format of OpenSSH (PROTOCOL.key of its sources). Any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/base/result.h"

namespace devrun {

inline constexpr size_t kSshSeedBytes = 32;

struct SshKey {
  std::string private_key;  // as in a file id_ed25519
  std::string public_key;   // "ssh-ed25519 AAAA…", without a comment
};
// The Ed25519 key of a seed of kSshSeedBytes; `comment` goes into the private one.
Result<SshKey> ssh_key_of(std::string_view seed, const std::string& comment);

// A certificate of OpenSSH's (PROTOCOL.certkeys) for the key of `host_seed` as the host of that name, signed with the key of
// `authority_seed`: the text of a file id_ed25519-cert.pub. Good from `from` to `until`, seconds of the wall clock of
// whoever connects. `nonce` is random and never used again.
struct SshHostWish {
  std::string_view authority_seed, host_seed, nonce;
  std::string name;
  int64_t from = 0, until = 0;
};
Result<std::string> ssh_host_certificate(const SshHostWish& wish);

}  // namespace devrun
