// How many pilots of which kind the jobs that wait would need beside those that are there or come. Pure.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "cli/pilots/decide.h"

namespace devrun::pilots {

// Room that is there, or will be.
struct Bin {
  NodeHello hello;
  Resources free;  // GPUs in thousandths
  std::string of;  // a node's or a pilot's name; empty: one that is to be asked for
  std::string kind = {};
  bool needed = false;  // something that waits would find its place here
};
Bin bin_of(const NodeHello& hello, const Resources& used, const std::string& of);

// Puts what waits into `bins`, in its order and first fit, and adds a bin for each pilot that is missing, `pilots_left` at
// most. A gang finds all of its nodes or takes none. Jobs that no kind could run are passed over.
void fill(const Policy& policy, const std::vector<WaitingJob>& waiting, uint32_t pilots_left,
          std::vector<Bin>& bins);

}  // namespace devrun::pilots
