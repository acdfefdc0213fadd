// Serves the keeper's socket: descriptors by name, in and out, and the program that serves them
// (program.h). One thread, one poll loop; a client that stalls, lies or dies costs only its own
// connection. Only root is served.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "agent/keeper/program.h"
#include "common/base/result.h"
#include "common/runtime/fd.h"

namespace devrun::keeper {

struct Kept {
  UniqueFd fd;
  std::string mounted_at;  // of a FUSE descriptor
};

class KeeperServer {
 public:
  KeeperServer(UniqueFd listener, std::map<std::string, Kept> kept);

  // Until a client says stop, or `stop_fd` becomes readable.
  Status run(int stop_fd);

 private:
  static constexpr size_t kConnectionsMax = 128;
  static constexpr size_t kKeptMax = 64;
  static constexpr size_t kNameBytesMax = 128;

  void accept_one();
  // False: close the connection.
  bool serve(int connection);
  bool answer_get(int connection, const std::string& name);
  bool answer_put(int connection, const std::string& name, UniqueFd fd);
  bool answer_run(int connection, wire::KeeperRun what);

  UniqueFd listener_;
  std::map<std::string, Kept> kept_;
  std::vector<UniqueFd> connections_;
  Program program_;
  bool stopped_ = false;
};

}  // namespace devrun::keeper
