// What makes two waiting jobs alike for placement: one finds room exactly if the other does. The scheduler looks for room
// once for all jobs of a shape, so what a decision costs follows the shapes that wait, not the jobs.
#pragma once

#include <bitset>
#include <compare>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "common/model/job.h"
#include "common/model/node.h"

namespace devrun::controller {

struct Shape {
  Resources need;
  uint32_t nodes = 1;
  std::string pool;
  std::map<std::string, std::string> node_labels;
  bool dev_container = false;
  Duration time_limit;    // 0: none
  std::string site = {};  // a site mount that the nodes must have; empty: none
  bool operator==(const Shape&) const = default;
};
Shape shape_of(const JobSpec& spec);
// A name that equal shapes share.
std::string key_of(const Shape& shape);

// Nodes that are alike but for how much they have and how much of it is free: pools, labels, and which GPUs.
inline constexpr size_t kGpusPerNodeMax = 128;  // that are scheduled; no machine has more
using GpuMask = std::bitset<kGpusPerNodeMax>;   // by position among all_gpus(node)

struct NodeKind {
  NodeHello like;  // one of them
  std::vector<Gpu> gpus;
};
std::string kind_key(const NodeHello& node);

// What nodes of a kind are to jobs of a shape.
struct Match {
  bool may_run = false;
  GpuMask gpus;  // those that the shape may have
};
Match match(const Shape& shape, const NodeKind& kind);

// `n` of the free GPUs, n at most their count: all within one group that is joined closely (Gpu.link) if one has so many free,
// and then the one that is left with the fewest; else from the groups with the most free. By position.
GpuMask choose_gpus(const std::vector<Gpu>& gpus, const GpuMask& free, int32_t n);

}  // namespace devrun::controller
