// nfs-ganesha's configuration and start: one read-only NFSv4.0 export on one port, without
// rpcbind, DBus or Kerberos, all its files below one folder of ours.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace devrun::cluster {

struct GaneshaPlan {
  std::string address = "127.0.0.1";  // where it listens
  uint16_t port = 0;
  std::string exported;  // what nodes read
  std::string folder;    // its own
  std::vector<std::string> networks =
      {};  // who may read: addresses and networks, 10.0.0.0/24; empty: everybody
};
std::string ganesha_config(const GaneshaPlan& plan);
// Its words, in the foreground; it logs to the folder.
std::vector<std::string> ganesha_words(const std::string& program, const std::string& folder);
// Without these it takes a name on the host's bus and makes /run/blkid.
std::vector<std::string> ganesha_environment(const std::string& folder);

}  // namespace devrun::cluster
