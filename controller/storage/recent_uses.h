// Between the snapshots that are being built and the collector that deletes. A build that finds a
// file of the export (body, chunk list, pack, manifest) already there goes on to refer to it,
// although nothing in the store says so yet; the collector must not take it away meanwhile.
//
//   a build:        begin(); for each file: note(path), then look whether it is there; publish; end
//   the collector:  forget_ended(); read the roots and mark; delete_unless_used(path, …)
//
// A file noted before it is deleted is not deleted; one noted after is found missing, and made
// again. What a build noted is remembered until a collector begins after its end: its tree is then
// among the roots. Any thread.
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <set>
#include <string>
#include <unordered_map>

#include "common/base/result.h"

namespace devrun::storage {

class RecentUses {
 public:
  class Build {
   public:
    explicit Build(RecentUses& uses) : uses_(uses), begun_(uses.begin()) {}
    ~Build() { uses_.end(begun_); }
    Build(const Build&) = delete;
    Build& operator=(const Build&) = delete;

   private:
    RecentUses& uses_;
    const uint64_t begun_;
  };

  void note(const std::string& path);
  void forget_ended();
  // Calls `remove` if `path` was not noted; no note comes between. Whether it was called.
  Result<bool> delete_unless_used(const std::string& path, const std::function<Status()>& remove);

 private:
  uint64_t begin();
  void end(uint64_t begun);

  std::mutex mutex_;
  uint64_t last_ = 0;
  std::multiset<uint64_t> active_;  // when each build began
  // By the hash of the path, when last: paths of equal hash spare each other, which harms nobody.
  std::unordered_map<size_t, uint64_t> noted_;
};

}  // namespace devrun::storage
