#include "common/model/fits.h"

#include <algorithm>

#include "common/model/labels.h"
#include "common/model/resources.h"

namespace devrun {

bool lives_on_storage_host(const JobSpec& spec) {
  return spec.dev_container && spec.node_labels.count(kLiveLabel) == 0;
}

Resources taken_by(const JobSpec& spec) {
  return lives_on_storage_host(spec) ? Resources{} : spec.per_node;
}

std::string needed_site(const JobSpec& spec) {
  return spec.dev_container ? std::string() : site_of_path(spec.paths, spec.program.cwd);
}

bool has_site(const NodeHello& node, const std::string& site) {
  return site.empty() || std::ranges::find(node.site_paths, site) != node.site_paths.end();
}

bool leaves_too_soon(Time leaves, Duration time_limit, Time now) {
  return leaves.us != 0 && time_limit.us != 0 && now + time_limit + kAfterLimit > leaves;
}

bool may_run_on(const NodeHello& node, const JobSpec& spec) {
  if (node.dev_containers != lives_on_storage_host(spec)) return false;
  const auto has = [&](const auto& label) {
    const auto it = node.labels.find(label.first);
    return it != node.labels.end() && it->second == label.second;
  };
  if (!std::all_of(spec.node_labels.begin(), spec.node_labels.end(), has)) return false;
  if (!has_site(node, needed_site(spec))) return false;
  return spec.pool.empty() ||
         std::find(node.pools.begin(), node.pools.end(), spec.pool) != node.pools.end();
}

bool fits(const NodeHello& node, const Resources& need) {
  if (!covers_but_gpus(node.total, need)) return false;
  const size_t gpus = gpus_of_type(node, need.gpu_type, need.gpu_memory_bytes).size();
  return need.gpus <= static_cast<int32_t>(gpus);
}

}  // namespace devrun
