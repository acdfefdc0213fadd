// devrun-fs's control socket: prepare a tree, end a run in it, tell the counters. A fixed number of threads each
// serve one connection at a time to its end, so that a caller who waits for the store holds up
// nobody else until all of them do; who comes then waits in the socket's queue. Only root is
// served.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "common/base/digest.h"
#include "common/base/result.h"
#include "common/runtime/fd.h"
#include "common/wire/node_calls.h"

namespace devrun::volume {

class Control {
 public:
  struct Services {
    // The folder in which the tree has appeared, and its layers.
    std::function<Result<wire::FsTreePath>(const wire::FsPrepareTree&)> prepare;
    std::function<std::map<std::string, uint64_t>()> count;
    std::function<std::string(const std::string& run)> end_run;  // what Runs::end says
    std::function<std::optional<std::string>(const std::string& id)> watched = {};  // Watches::told
  };

  static Result<std::unique_ptr<Control>> open(const std::string& socket, Services services);
  ~Control();
  Control(const Control&) = delete;
  Control& operator=(const Control&) = delete;

 private:
  static constexpr unsigned kThreads = 16;

  Control(UniqueFd listener, Services services);
  void serve(const std::stop_token& stop);
  void converse(int connection);
  wire::FsAnswer answer(const wire::FsCall& call);

  UniqueFd listener_;
  const Services services_;
  std::vector<std::jthread> threads_;
};

}  // namespace devrun::volume
