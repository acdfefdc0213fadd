// What will be read next, judged by what is read now, where no trace tells:
//  - an ELF file: the rest of it (the loader and its constructors touch most of a library, in no order), and the
//    libraries beside it that it needs, as the loader will open them one after the other;
//  - a small file: the small files of its kind beside it, from the second one on that is read there, or from the first
//    in a __pycache__.
// It is brought to this node and not into the kernel's caches, so that what a program really reads is still seen and can
// be recorded. Each file and folder is thought about once. Any thread; read() is short.
#pragma once

#include <mutex>
#include <stop_token>
#include <string>
#include <unordered_map>
#include <unordered_set>

#include "agent/volume/prefetch.h"

namespace devrun::volume {

class Guesser {
 public:
  Guesser(Vfs& vfs, Prefetcher& prefetcher) : vfs_(vfs), prefetcher_(prefetcher) {}
  ~Guesser() { stop(); }
  // Drops what it wants.
  void stop() { ending_.request_stop(); }

  // A demand read of it begins.
  void read(NodeId file);
  // A trace tells of it: nothing is to be guessed.
  void known(NodeId file);

 private:
  static constexpr size_t kRememberedMax = 1 << 20;

  void think(NodeId file);
  void think_of_elf(NodeId file, uint64_t size);
  void think_of_neighbours(NodeId file);
  void follow(NodeId folder, const std::string& name);

  Vfs& vfs_;
  Prefetcher& prefetcher_;
  std::stop_source ending_;

  std::mutex mutex_;
  std::unordered_set<NodeId> files_;              // thought about
  std::unordered_map<NodeId, unsigned> folders_;  // small files read in each
};

}  // namespace devrun::volume
