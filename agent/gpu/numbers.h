// The numbers by which a node's GPUs are known to the cluster. A driver counts anew whenever it begins, and then skips what has
// failed; slices come and go. So a number belongs to a UUID for as long as the machine runs: as the driver counts where
// that is free, of slices from 100 on, ten for each GPU.
//
// A GPU that is not told any more stays known, as missing, with the XIDs that came before; so does one that stops telling its
// UUID. What a node has had is kept in its state folder, the one place that outlives agent, boot and controller and that goes when the
// machine does: so a GPU that vanished is not forgotten, and counts as lost until it is back or an administrator removes that file. A
// slice that is not told any more, of a GPU that is, has been taken apart and is forgotten.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "agent/gpu/found.h"

namespace devrun::gpu {

class Numbers {
 public:
  // `boot_id`: of the kernel. Numbers that were kept under another one are forgotten; which GPUs there were is not.
  explicit Numbers(std::string boot_id) : boot_id_(std::move(boot_id)) {}

  // The round with its GPUs numbered, in their order, and with those that it should tell and does not.
  // `unheard`: what to say of these.
  FoundRound number(FoundRound round, std::string_view unheard = kNotListed);
  // Those that the newest round did not tell, as an administrator wants it; those that are not the node's any more.
  void forget_lost();
  void forget_if(const std::function<bool(const FoundGpu&)>& is_not_ours);

  // As kept in a file, a line each; what cannot be read is as if it had not been kept.
  std::string text() const;
  void read(std::string_view text);

  static constexpr std::string_view kNotListed = "the driver does not list it any more";

 private:
  // Whether slices of it were told when it was last heard of.
  bool is_sliced(const std::string& uuid) const;
  uint32_t number_for(const FoundGpu& found);
  uint32_t free_from(uint32_t first) const;
  void forget_slices(const std::set<std::string>& told, const std::set<std::string>& answering);
  std::string silent_at(uint32_t index, const std::set<std::string>& told) const;
  FoundGpu lost(const std::string& uuid, Facts facts);
  void add_unheard(FoundRound& out, const std::set<std::string>& told,
                   const std::map<std::string, Facts>& silent, std::string_view unheard);

  std::string boot_id_;
  std::map<std::string, uint32_t> of_;     // by UUID
  std::map<std::string, FoundGpu> known_;  // by UUID, as last told, numbered
  std::map<std::string, Facts> lost_;      // why, by UUID; those of them that are missing
  std::set<std::string> unheard_;          // those of them that the newest round did not tell
};

}  // namespace devrun::gpu
