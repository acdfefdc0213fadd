#include "controller/core/node_use.h"

#include <algorithm>

#include "common/model/gpu_numbers.h"
#include "common/model/resources.h"

namespace devrun::controller {

namespace {

// Without the GPUs of a share, which are counted by themselves.
Resources counted(const Resources& need) {
  Resources out = need;
  if (need.gpu_milli != 0) out.gpus = 0;
  return out;
}

}  // namespace

void add_use(Node& node, const Resources& need, const std::vector<uint32_t>& gpus) {
  add(node.used, counted(need));
  node.gpus_used.insert(gpus.begin(), gpus.end());
  if (need.gpu_milli == 0) return;
  for (const uint32_t gpu : gpus) {
    Node::Shares& shares = node.gpu_shares[gpu];
    if (shares.holders == 0) ++node.used.gpus;
    shares.milli += need.gpu_milli;
    ++shares.holders;
  }
}

bool is_held(const Node& node, const Gpu& gpu) {
  if (node.gpus_used.count(gpu.index) != 0) return true;
  if (!gpu.slice.empty()) return node.gpus_used.count(gpu.slice_of) != 0;
  return std::ranges::any_of(node.gpus_used, [&](uint32_t used) {
    return is_slice_number(used) && whole_of_slice(used) == gpu.index;
  });
}

void drop_use(Node& node, const Resources& need, const std::vector<uint32_t>& gpus) {
  take(node.used, counted(need));
  if (need.gpu_milli == 0) {
    for (const uint32_t gpu : gpus) node.gpus_used.erase(gpu);
    return;
  }
  for (const uint32_t gpu : gpus) {
    const auto shares = node.gpu_shares.find(gpu);
    if (shares == node.gpu_shares.end()) continue;
    shares->second.milli -= need.gpu_milli;
    if (--shares->second.holders != 0) continue;
    --node.used.gpus;
    node.gpus_used.erase(gpu);
    node.gpu_shares.erase(shares);
  }
}

}  // namespace devrun::controller
