// Ranks of one attempt reach each other by ssh, which is how mpirun starts its daemons: a key pair for the attempt, known
// to its ranks alone, and an sshd of the volume's own in each container, where the volume has one. The files lie in
// /run/devrun/ssh; ssh finds them through /etc/ssh/ssh_config.d, where the volume has that folder.
//
// The keys follow from a seed that the controller gives to all ranks (AttemptSpec::ssh_seed), so that none has to be sent
// from one to the other (common/runtime/ssh_key.h).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "common/model/attempt.h"

namespace devrun::sandbox {

inline constexpr std::string_view kSshFolder = "/run/devrun/ssh";  // in the container
inline constexpr std::string_view kSshConfigInTree = "/etc/ssh/ssh_config.d/devrun-ranks.conf";
inline constexpr std::string_view kHostFile = "/run/devrun/hostfile";

// Whether this attempt has what ranks need to reach each other: there are several, each with an address of its own, and
// they were given a seed.
bool has_rank_ssh(const AttemptSpec& spec);

// On which port the ranks' sshd listens, each on its own address.
uint16_t rank_ssh_port(const AttemptKey& key);

struct SmallFile {
  std::string name;  // below kSshFolder
  std::string content;
  uint32_t mode = 0600;
};
// All that goes into the folder. `environment` is the program's, NAME=VALUE: sessions of other ranks have it, too.
Result<std::vector<SmallFile>> rank_ssh_files(const AttemptSpec& spec,
                                              const std::vector<std::string>& environment);

// For mpirun: a line for each rank.
std::string host_file(const AttemptSpec& spec);

// What init runs beside the program: it starts sshd if the volume has it, and is gone else.
std::vector<std::string> rank_ssh_command();

}  // namespace devrun::sandbox
