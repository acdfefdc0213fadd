// The sockets in containers. Each attempt has one, at SOCKETS/<folder name>/socket, seen in its container as
// /run/devrun/socket; every gRPC call of devrun.v1.Client that comes in there goes on to the controller over the agent's
// own channel, with what the socket proves: the attempt's volume, owner and job, and the caller's ids (SO_PEERCRED).
//
// One gRPC server for all of them, which listens to nothing: connections are accepted here and handed to it. A call
// names its connection as "fd:N"; the number is looked up in what was known when N was accepted, and since N is in use
// as long as the connection lives, it is its own.
#pragma once

#include <grpcpp/grpcpp.h>

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <thread>

#include "agent/sync/forward.h"
#include "agent/sync/identity.h"
#include "common/base/result.h"
#include "common/model/ids.h"
#include "common/runtime/fd.h"

namespace devrun::agent {

class Gateway {
 public:
  static Result<std::unique_ptr<Gateway>> open(std::string sockets_folder,
                                               std::shared_ptr<grpc::Channel> controller);
  ~Gateway();  // ends all calls

  // Any thread. The path of the listening socket; made anew if it was there.
  Result<std::string> serve(const AttemptKey& key, const ContainerIdentity& container);
  // Also removes the attempt's folder of sockets. Nothing if it is not served.
  void end(const AttemptKey& key);

 private:
  class Service;
  struct Socket {
    UniqueFd listener;
    ContainerIdentity container;
    uint64_t number = 0;  // as epoll names it
  };
  struct Peer {
    uint64_t socket = 0;
    uint64_t inode = 0;  // of the connection: tells whether its number is still its own
    CallerIdentity caller;
  };

  Gateway(std::string sockets_folder, std::shared_ptr<grpc::Channel> controller);
  Status begin();
  void accept_connections();
  void accept_one(uint64_t socket_number);
  Socket* find_socket(uint64_t number);  // under mutex_
  bool has_room(uint64_t socket_number);
  void hold_back(const Socket& socket);
  void listen_again(uint64_t socket_number);
  void arm(const Socket& socket, bool heard);
  std::optional<CallerIdentity> who(const std::string& peer) const;

  const std::string folder_;
  ByteStub controller_;
  Forwardings forwardings_;
  std::unique_ptr<Service> service_;
  std::unique_ptr<grpc::Server> server_;
  UniqueFd epoll_, wake_;

  std::set<uint64_t> held_back_;  // the accepting thread's: sockets that epoll does not hear

  mutable std::mutex mutex_;
  std::map<AttemptKey, Socket> sockets_;
  std::map<int, Peer> peers_;   // by descriptor; entries are replaced at accept
  uint64_t newest_number_ = 0;  // 0 is wake_
  std::thread thread_;
};

}  // namespace devrun::agent
