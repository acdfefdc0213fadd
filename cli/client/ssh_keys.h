// What ssh to dev containers and jobs needs of keys (devrun ssh-config): one secret of this user's in a folder of theirs, and
// two key pairs that follow from it. The user's is what ssh shows to the sshd. The other is an authority, which ssh knows
// for all hosts: it signs a host's key that is made for one connection and good for some minutes, and these two are brought
// to the sshd over devrun's own connection, which has proven both ends already. So the host is known beforehand, nobody is
// asked whether it is the right one, and who gets hold of the key in the container has that of one connection. None of
// them opens anything by itself, since no sshd of devrun's listens on a port.
//
//   secret          32 bytes in hex, mode 0600; made once
//   id_ed25519      made of it, for ssh, each time, as are id_ed25519.pub and known_hosts
#pragma once

#include <string>

#include "cli/client/surroundings.h"
#include "common/base/digest.h"
#include "common/base/result.h"
#include "common/base/time.h"
#include "common/runtime/ssh_key.h"

namespace devrun::cli {

inline constexpr const char* kSshHosts =
    "*.devrun";  // whom the host's key is for, as ssh writes it

struct SshKeys {
  SshKey user;
  std::string authority;  // its public key
  Digest authority_seed;
};
// Of one connection.
struct SshHostKey {
  std::string private_key, certificate;
};
// To the host that ssh knows by that name; good for some minutes around `now` by the clock of ssh's machine.
Result<SshHostKey> new_host_key(const SshKeys& keys, const std::string& name, Time now);

// ~/.config/devrun/ssh
Result<std::string> ssh_folder(const Surroundings& surroundings);
// kNotFound: there are none yet. Puts known_hosts right where an earlier version has written it.
Result<SshKeys> load_ssh_keys(const std::string& folder);
// Makes the folder and what is missing in it. Two at once get the same keys.
Result<SshKeys> make_ssh_keys(const std::string& folder);

}  // namespace devrun::cli
