// What ssh to dev containers and jobs needs of keys (devrun ssh-config): one secret of this user's in a folder of theirs, and
// two key pairs that follow from it. The user's is what ssh shows to the sshd; the host's is what that sshd shows to ssh. The
// latter is brought to the sshd at each connection, over devrun's own, which has proven both ends already: so it is known
// beforehand, the same for all hosts, and nobody is asked whether it is the right one. Neither opens anything by itself,
// since no sshd of devrun's listens on a port.
//
//   secret          32 bytes in hex, mode 0600; made once
//   id_ed25519      made of it, for ssh, each time, as are id_ed25519.pub and known_hosts
#pragma once

#include <string>

#include "cli/client/surroundings.h"
#include "common/base/result.h"
#include "common/runtime/ssh_key.h"

namespace devrun::cli {

inline constexpr const char* kSshHosts =
    "*.devrun";  // whom the host's key is for, as ssh writes it

struct SshKeys {
  SshKey user;
  SshKey host;
};

// ~/.config/devrun/ssh
Result<std::string> ssh_folder(const Surroundings& surroundings);
// kNotFound: there are none yet.
Result<SshKeys> load_ssh_keys(const std::string& folder);
// Makes the folder and what is missing in it. Two at once get the same keys.
Result<SshKeys> make_ssh_keys(const std::string& folder);

}  // namespace devrun::cli
