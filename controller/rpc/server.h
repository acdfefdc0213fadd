// The controller, put together: state from the journal, loop, relay, services, and the listening gRPC server.
#pragma once

#include <memory>
#include <string>

#include "common/base/result.h"
#include "controller/core/state.h"
#include "controller/rpc/archive.h"
#include "controller/rpc/collecting.h"
#include "controller/rpc/joining.h"
#include "controller/storage/storage.h"

namespace devrun::controller {

struct ServerOptions {
  std::string state_folder;  // journal.db, seal.key
  std::string listen;        // HOST:PORT; port 0: any
  std::string authority_pem;
  std::string certificate_pem;
  std::string key_pem;
  CollectOptions collect = {};
  ArchiveOptions archive = {};
  Policy policy = {};
  // HOST:PORT of the page for Prometheus; "none": there is none. One that is taken is told of and done without.
  std::string metrics = "none";
  JoiningOptions joining = {};
  std::string nfs_folder = {};  // of the store's NFS server, where that is ours (store_refusals.h)
};

class Server {
 public:
  static Result<std::unique_ptr<Server>> start(const ServerOptions& options,
                                               std::unique_ptr<storage::Storage> storage);
  virtual ~Server() = default;
  virtual int port() const = 0;
  virtual int metrics_port() const = 0;  // 0: none
  virtual int join_port() const = 0;     // likewise
  // From now on.
  virtual void set_policy(const Policy& policy) = 0;
  // Ends all calls, answers what was accepted, closes the journal.
  virtual void stop() = 0;
};

}  // namespace devrun::controller
