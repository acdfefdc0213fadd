// Tells the controller what attempts read first of their trees (common/tree/trace.h): once some time after an attempt's
// start, for those that run long, and else at its end. A hint: what cannot be told is forgotten.
//
// On the loop that it is given alone, which may block.
#pragma once

#include <string>

#include "agent/sync/loop.h"
#include "common/model/ids.h"
#include "devrun/v1/agent.grpc.pb.h"

namespace devrun::agent {

class Traces {
 public:
  // `fs_socket`: devrun-fs's; empty: the node has none, and nothing is told.
  Traces(devrun::v1::Agent::Stub& controller, std::string fs_socket, Loop& loop)
      : controller_(controller), fs_socket_(std::move(fs_socket)), loop_(loop) {}

  void started(const AttemptKey& key);
  void ended(const AttemptKey& key);

 private:
  void tell(const AttemptKey& key);

  devrun::v1::Agent::Stub& controller_;
  const std::string fs_socket_;
  Loop& loop_;
};

}  // namespace devrun::agent
