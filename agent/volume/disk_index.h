// Where chunks lie in the disk cache: a hash table of 24 bytes a cell, because a cache of small files has millions.
// Knows chunks by their 64-bit hash alone; the record on disk has the whole key, so that a rare collision is a miss.
// Not thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace devrun::volume {

class DiskIndex {
 public:
  struct Cell {
    uint64_t hash = 0;  // 0: free
    uint32_t segment = 0;
    uint32_t offset = 0;
    uint32_t size = 0;
    bool used = false;  // read since it was written
  };

  Cell* find(uint64_t hash);
  const Cell* find(uint64_t hash) const;
  void put(const Cell& cell);  // in place of one of the same hash
  void erase(uint64_t hash);
  size_t count() const { return count_; }
  size_t bytes() const { return cells_.size() * sizeof(Cell); }

 private:
  size_t wrap(size_t at) const { return at & (cells_.size() - 1); }
  size_t home(uint64_t hash) const { return wrap((hash * 0x9e3779b97f4a7c15ULL) >> 24); }
  void grow();

  std::vector<Cell> cells_;  // a power of two, at most three quarters of it taken
  size_t count_ = 0;
};

}  // namespace devrun::volume
