// Machines that the store's NFS server is not to answer, although the networks that may read from it have them: those of nodes
// whose certificate was revoked. The server knows no certificates, but addresses.
//
// The list is a file of the controller's, a line `ADDRESS NODE` each. `devrun-start nfs` puts it into the configuration that it
// writes; the controller, when it changes, into the one that is there, and has the server read that again.
#pragma once

#include <map>
#include <string>

#include "common/base/result.h"

namespace devrun {

using RefusedClients = std::map<std::string, std::string>;  // node, by address

// In the folder of the controller's state.
std::string refused_clients_file(const std::string& state_folder);
// What is not there is an empty list. Durable when it is written.
Result<RefusedClients> read_refused_clients(const std::string& file);
Status write_refused_clients(const std::string& file, const RefusedClients& clients);

// nfs-ganesha's configuration with the list in the place of whatever list it had. Pure. As it was, if it names no clients.
std::string with_refused_clients(const std::string& config, const RefusedClients& clients);

// Whether an NFS server can tell that machine from others by what it is called: an IPv4 address, not of this machine's alone.
bool is_refusable(const std::string& address);

}  // namespace devrun
