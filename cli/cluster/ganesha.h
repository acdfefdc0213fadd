// nfs-ganesha's configuration and start: one read-only NFSv4.0 export on one loopback port, without
// rpcbind, DBus or Kerberos, all its files below one folder of ours.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace devrun::cluster {

std::string ganesha_config(uint16_t port, const std::string& exported, const std::string& folder);
// Its words, in the foreground; it logs to the folder.
std::vector<std::string> ganesha_words(const std::string& program, const std::string& folder);
// Without these it takes a name on the host's bus and makes /run/blkid.
std::vector<std::string> ganesha_environment(const std::string& folder);

}  // namespace devrun::cluster
