// The numbers by which a node's GPUs are known to the cluster. A driver counts anew whenever it begins, and then skips what has
// failed; slices come and go. So a number belongs to a UUID for as long as the machine runs: as the driver counts where
// that is free, of slices from 100 on, ten for each GPU.
//
// A GPU that is not told any more stays known, as missing; so does one that stops telling its UUID. A slice that is not told
// any more, of a GPU that is, has been taken apart and is forgotten.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "agent/gpu/found.h"

namespace devrun::gpu {

class Numbers {
 public:
  // `boot_id`: of the kernel. What was kept under another one is forgotten.
  explicit Numbers(std::string boot_id) : boot_id_(std::move(boot_id)) {}

  // The round with its GPUs numbered, in their order, and with those that it should tell and does not.
  FoundRound number(FoundRound round);

  // As kept in a file over restarts of the agent; what cannot be read is as if nothing had been kept.
  std::string text() const;
  void read(std::string_view text);

 private:
  // Whether slices of it were told when it was last heard of.
  bool is_sliced(const std::string& uuid) const;
  uint32_t number_for(const FoundGpu& found);
  uint32_t free_from(uint32_t first) const;
  void forget_slices(const std::set<std::string>& told, const std::set<std::string>& answering);
  std::string silent_at(uint32_t index, const std::set<std::string>& told) const;

  std::string boot_id_;
  std::map<std::string, uint32_t> of_;     // by UUID
  std::map<std::string, FoundGpu> known_;  // by UUID, as last told, numbered
};

}  // namespace devrun::gpu
