// Keeps the machines of revoked nodes off the store's NFS server, where devrun has started that (devrun-start nfs, on this
// machine): by their addresses, which is all that it knows (common/runtime/refused_clients.h). A name that comes back, or
// another node at that address, is let in again by its first hello.
//
// Any thread; blocking.
#pragma once

#include <mutex>
#include <string>

#include "common/base/result.h"
#include "common/runtime/refused_clients.h"

namespace devrun::controller {

class StoreRefusals {
 public:
  // `server`: the folder of nfs-ganesha's configuration and pid; empty: the store's NFS server is not ours.
  StoreRefusals(const std::string& state_folder, std::string server);

  // Whether the server answers that machine no more.
  Result<bool> refuse(const std::string& node, const std::string& address);
  // Of a node that is in the cluster. Costs nothing where nobody is refused.
  Status admit(const std::string& node, const std::string& address);

 private:
  Status tell(const RefusedClients& clients) const;

  const std::string file_;
  const std::string server_;
  std::mutex mutex_;
};

}  // namespace devrun::controller
