// A node that may have some of its machine's GPUs alone, by name: those of an allocation of somebody else's (docs/slurm.md), or
// those that an administrator has left it. A name is a UUID, or a number as the driver counts. Drivers count anew whenever they
// begin, so a number stands for the GPU that had it when it was first looked up, from then on.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "agent/gpu/found.h"

namespace devrun::gpu {

class Named {
 public:
  // None: all GPUs are the node's.
  explicit Named(std::vector<std::string> names) : names_(std::move(names)) {}

  // Those of a round that are the node's, before numbers.h, and with them what is known of numbers. A GPU's slices are with it.
  std::vector<FoundGpu> own(const std::vector<FoundGpu>& all);
  bool is_own(const FoundGpu& found) const;
  // Names of which there is nothing among these.
  std::vector<std::string> missing(const std::vector<FoundGpu>& own) const;

  // As kept in a file: a line each. What stands for a number that is no name any more is left out.
  std::string text() const;
  void read_line(std::string_view line);
  void forget() { of_number_.clear(); }

 private:
  bool is_name(const std::string& word) const;

  std::vector<std::string> names_;
  // UUIDs, by the driver's number. Each maker's driver counts by itself: NVIDIA's go first.
  std::map<std::string, std::string> of_number_;
};

}  // namespace devrun::gpu
