// The shim's side of its connection to the agent: frames in, frames out, never blocking. Nothing queues up towards an
// agent that does not read: news are made from the current state when there is room (shim.cc).
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "agent/shim/shim_wire.h"
#include "common/base/result.h"
#include "common/runtime/fd.h"

namespace devrun::shim {

class AgentConnection {
 public:
  explicit AgentConnection(UniqueFd socket);

  int fd() const { return socket_.get(); }
  // Reads what is there and hands over each whole request. An Error: this connection is over.
  Status receive(const std::function<Status(Request&&)>& handle);
  // Only while idle().
  Status send(const News& news);
  Status flush();
  bool idle() const { return out_.empty(); }

 private:
  UniqueFd socket_;
  std::string in_;  // of which the first in_bytes_ are received; it never shrinks
  size_t in_bytes_ = 0;
  std::string out_;
};

}  // namespace devrun::shim
