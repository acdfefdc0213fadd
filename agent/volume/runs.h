// The runs that use this node's trees now: what each reads is noted, and what an earlier run of the same program read
// is fetched ahead (common/tree/trace.h), while it starts.
//
// Reads are noted for all runs together and told apart by tree, at the end: a node of the file system does not say which
// run asked, and two programs that start in one volume at once have each other's reads in their traces; what belongs to no
// path of a run's own tree is in none. What the kernel had in its caches is not seen: the store merges the traces of
// many runs.
//
// Any thread; read() is short.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <vector>

#include "agent/volume/guess.h"
#include "agent/volume/object_store.h"
#include "agent/volume/prefetch.h"
#include "agent/volume/vfs.h"
#include "common/tree/trace.h"

namespace devrun::volume {

class Runs {
 public:
  Runs(Vfs& vfs, Prefetcher& prefetcher, Guesser& guesser, ObjectStore& store)
      : vfs_(vfs), prefetcher_(prefetcher), guesser_(guesser), store_(store) {}
  ~Runs() { stop(); }
  // Drops what is still to be fetched for any run.
  void stop();

  // `traces`: where its trace lies in the store, the first that is there counts. Waits for nothing. A run that is known
  // is left alone; beyond kRunsMax the oldest is forgotten.
  void begin(const std::string& id, NodeId root, const std::vector<std::string>& traces);
  // Drops what is still to be fetched for it. What it read that the known trace lacks, encoded; empty: nothing to speak
  // of, or no such run.
  std::string end(const std::string& id);

  // A demand read.
  void read(NodeId file, uint64_t offset, uint64_t size);

  void count(std::map<std::string, uint64_t>& counters) const;

 private:
  static constexpr size_t kRunsMax = 256;
  static constexpr size_t kReadsMax = 1 << 17;  // noted

  struct Run {
    NodeId root = 0;
    size_t first_read = 0;  // in reads_
    uint64_t number = 0;
    std::stop_source stop;
    tree::Trace known;  // guarded by mutex_
  };
  struct Read {
    NodeId file = 0;
    tree::PageRange pages;
  };

  void replay(const std::shared_ptr<Run>& run, const std::vector<std::string>& traces);
  tree::Trace trace_of(NodeId root, const std::vector<Read>& reads) const;
  void forget_reads();

  Vfs& vfs_;
  Prefetcher& prefetcher_;
  Guesser& guesser_;
  ObjectStore& store_;

  mutable std::mutex mutex_;  // guards all below but the counters
  std::map<std::string, std::shared_ptr<Run>> runs_;
  std::vector<Read> reads_;
  uint64_t begun_ = 0;

  std::atomic<bool> any_{false};
  std::atomic<uint64_t> replayed_{0}, replayed_files_{0}, missing_files_{0}, damaged_{0},
      recorded_{0};
};

}  // namespace devrun::volume
