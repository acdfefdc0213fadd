#include "common/model/fits.h"

#include <algorithm>

namespace devrun {

int64_t extra_of(const Resources& of, const std::string& name) {
  const auto it = of.extras.find(name);
  return it == of.extras.end() ? 0 : it->second;
}

bool may_run_on(const NodeHello& node, const JobSpec& spec) {
  if (node.dev_containers != spec.dev_container) return false;
  const auto has = [&](const auto& label) {
    const auto it = node.labels.find(label.first);
    return it != node.labels.end() && it->second == label.second;
  };
  if (!std::all_of(spec.node_labels.begin(), spec.node_labels.end(), has)) return false;
  return spec.pool.empty() ||
         std::find(node.pools.begin(), node.pools.end(), spec.pool) != node.pools.end();
}

bool fits(const NodeHello& node, const Resources& need) {
  return need.cpu_milli <= node.total.cpu_milli && need.memory_bytes <= node.total.memory_bytes &&
         need.gpus <= static_cast<int32_t>(
                          gpus_of_type(node, need.gpu_type, need.gpu_memory_bytes).size()) &&
         std::all_of(need.extras.begin(), need.extras.end(), [&](const auto& extra) {
           return extra.second <= extra_of(node.total, extra.first);
         });
}

}  // namespace devrun
