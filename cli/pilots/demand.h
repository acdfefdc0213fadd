// How many pilots of which kind the jobs that wait would need beside those that are there or come. Pure.
#pragma once

#include <cstdint>
#include <optional>
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
  bool is_up = true;
};
Bin bin_of(const NodeHello& hello, const Resources& used, const std::string& of);
// Of a pilot whose node is not up yet.
Bin coming(const Kind& kind, Time leaves, const std::string& of);

// What a pilot that is to be asked for would be.
struct Prospect {
  Time now;
  uint32_t pilots_left = 0;
  // The site mounts that pilots have, told by one that is up; none is, none: they have what is needed.
  std::optional<std::vector<std::string>> site_paths = {};
};
// Puts what waits into `bins`, in its order and first fit, and adds a bin for each pilot that is missing. A gang finds all of
// its nodes or takes none. Jobs that no kind could run are passed over, and bins that leave before a job's limit is over.
void fill(const Policy& policy, const std::vector<WaitingJob>& waiting, const Prospect& prospect,
          std::vector<Bin>& bins);

}  // namespace devrun::pilots
