#include "common/model/fits.h"

#include <algorithm>

namespace devrun {

bool may_run_on(const NodeHello& node, const JobSpec& spec) {
  if (node.dev_containers != spec.dev_container) return false;
  return spec.pool.empty() ||
         std::find(node.pools.begin(), node.pools.end(), spec.pool) != node.pools.end();
}

bool fits(const NodeHello& node, const Resources& need) {
  return need.cpu_milli <= node.total.cpu_milli && need.memory_bytes <= node.total.memory_bytes &&
         need.gpus <= static_cast<int32_t>(gpus_of_type(node, need.gpu_type).size());
}

}  // namespace devrun
