// What the bench of reads stands on: an export with one tree in it, and an NFS server over it.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "agent/volume/nfs_address.h"
#include "common/base/digest.h"
#include "common/base/result.h"
#include "common/tree/tree.h"

namespace devrun::bench {

struct Export {
  std::string folder;
  Digest tree;
  tree::Entry large;               // "large" at the tree's root
  std::vector<tree::Entry> small;  // below "small"
};

// A file of `large_bytes` and `small_count` files of `small_bytes`, all of random bytes.
Result<Export> make_export(const std::string& folder, uint64_t large_bytes, size_t small_count,
                           size_t small_bytes);

// nfs-ganesha with the configuration that `devrun up` uses; killed at the end.
class Server {
 public:
  static Result<Server> start(const std::string& exported, const std::string& folder);
  Server(Server&& other) noexcept;
  Server& operator=(Server&&) = delete;
  ~Server();

  volume::NfsAddress address() const;

 private:
  Server(pid_t pid, uint16_t port) : pid_(pid), port_(port) {}

  pid_t pid_;
  uint16_t port_;
};

}  // namespace devrun::bench
