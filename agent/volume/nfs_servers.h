// The addresses under which the store answers, the first preferred, and what all connections know of them together:
// which one is in use, the handles of its folders, and whether the readers have been told that they wait.
//
// Handles are a server's own: two servers of one store need not agree on them. Any thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "agent/volume/nfs_address.h"

namespace devrun::volume {

class NfsServers {
 public:
  explicit NfsServers(std::vector<NfsAddress> addresses);  // at least one

  size_t count() const { return addresses_.size(); }
  const NfsAddress& address(size_t server) const { return addresses_.at(server); }
  size_t current() const;
  // It does not answer: the next one, unless somebody was faster.
  void failed(size_t server);
  void prefer(size_t server);

  std::string handle(size_t server, const std::string& folder) const;  // empty: not known
  void keep_handle(size_t server, const std::string& folder, const std::string& handle);
  void drop_handle(size_t server, const std::string& folder, const std::string& handle);

  // Readers wait since so long: one line in the log until it answers again.
  void tell_away(size_t server, std::chrono::milliseconds since, const std::string& why,
                 size_t readers);
  void tell_back(size_t server);
  // 0: it answers.
  uint64_t away_seconds() const;
  uint64_t moves() const;  // from one server to another

 private:
  const std::vector<NfsAddress> addresses_;
  mutable std::mutex mutex_;
  size_t current_ = 0;
  uint64_t moves_ = 0;
  std::vector<std::map<std::string, std::string>>
      handles_;  // by server, by folder; folders are a few hundred
  bool away_ = false;
  std::chrono::steady_clock::time_point away_since_;
};

}  // namespace devrun::volume
