// The bodies of files in the store's export: small ones go into the directory object, others become
// content/ab/<hash>, a reflink of the file in a read-only snapshot, made once whoever asks. Any
// thread.
//
// A content file is complete whenever it has its name, also after a crash: it is filled while it
// has none, and btrfs commits clones and names in order. A chunk list is data and is not: its size
// tells (readers and `put` check it), and `sync` makes them durable.
#pragma once

#include <mutex>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "common/tree/tree.h"

namespace devrun::storage {

class Bodies {
 public:
  explicit Bodies(std::string export_path);

  // The body of the first `size` bytes of `file`, which nobody changes meanwhile; its content is in
  // the store then.
  Result<tree::Body> put(int file, uint64_t size);

  // Chunk lists of all bodies that were put before the call are on disk when it returns.
  Status sync();

 private:
  Status place(int file, uint64_t size, const tree::Body& body, const std::string& chunk_hashes);
  Status place_chunk_list(const std::string& path, const std::string& chunk_hashes);

  const std::string export_path_;
  std::mutex sync_mutex_;  // held through a sync, so that a second one does not overtake it
  std::mutex mutex_;       // guards the list
  std::vector<std::string> unsynced_;  // absolute paths
};

}  // namespace devrun::storage
