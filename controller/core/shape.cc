#include "controller/core/shape.h"

#include <fmt/format.h>

#include <algorithm>

#include "common/model/fits.h"

namespace devrun::controller {

namespace {

void add_pairs(std::string& out, const std::map<std::string, std::string>& pairs) {
  for (const auto& [name, value] : pairs) out += fmt::format("{}={}\x1f", name, value);
}

}  // namespace

Shape shape_of(const JobSpec& spec) {
  return {taken_by(spec),     spec.nodes,      spec.pool,        spec.node_labels,
          spec.dev_container, spec.time_limit, needed_site(spec)};
}

std::string key_of(const Shape& shape) {
  const Resources& need = shape.need;
  std::string out = fmt::format("{} {} {} {} {} {} {} {} {}\x1f{}\x1f{}\x1f", need.cpu_milli,
                                need.memory_bytes, need.gpus, need.gpu_milli, need.gpu_memory_bytes,
                                shape.nodes, shape.dev_container, shape.time_limit.us,
                                need.extras.size(), need.gpu_type, shape.pool);
  for (const auto& [name, amount] : need.extras) out += fmt::format("{}={}\x1f", name, amount);
  add_pairs(out, shape.node_labels);
  out += "\x1f" + shape.site;
  return out;
}

std::string kind_key(const NodeHello& node) {
  std::string out = node.dev_containers ? "dev\x1f" : "\x1f";
  std::vector<std::string> pools = node.pools;
  std::sort(pools.begin(), pools.end());
  for (const std::string& pool : pools) out += pool + "\x1f";
  out += "\x1f";
  add_pairs(out, node.labels);
  out += "\x1f";
  for (const Gpu& gpu : all_gpus(node)) {
    out += fmt::format("{} {} {} {} {}\x1f", gpu.index, gpu.link, gpu.memory_bytes, gpu.type,
                       gpu.slice);
  }
  out += "\x1f";
  std::vector<std::string> sites = node.site_paths;
  std::sort(sites.begin(), sites.end());
  for (const std::string& site : sites) out += site + "\x1f";
  return out;
}

Match match(const Shape& shape, const NodeKind& kind) {
  JobSpec spec;
  spec.pool = shape.pool;
  spec.node_labels = shape.node_labels;
  spec.dev_container = shape.dev_container;
  Match out;
  out.may_run = may_run_on(kind.like, spec) && has_site(kind.like, shape.site);
  if (!out.may_run || shape.need.gpus == 0) return out;
  for (const Gpu& gpu : gpus_of_type(kind.like, shape.need.gpu_type, shape.need.gpu_memory_bytes)) {
    const auto at = std::find_if(kind.gpus.begin(), kind.gpus.end(),
                                 [&](const Gpu& other) { return other.index == gpu.index; });
    const auto position = static_cast<size_t>(at - kind.gpus.begin());
    if (position < kGpusPerNodeMax) out.gpus.set(position);
  }
  return out;
}

GpuMask choose_gpus(const std::vector<Gpu>& gpus, const GpuMask& free, int32_t n) {
  const auto wanted = static_cast<size_t>(n);
  std::map<uint32_t, std::vector<size_t>> groups;  // positions of free ones
  const size_t known = std::min(gpus.size(), kGpusPerNodeMax);
  for (size_t i = 0; i < known; ++i) {
    if (free.test(i)) groups[gpus[i].link].push_back(i);
  }
  std::vector<const std::vector<size_t>*> order;
  for (const auto& [link, members] : groups) order.push_back(&members);
  // GPUs whose links nobody tells are no group.
  const auto whole = [&](const std::vector<size_t>* members) {
    return members->size() >= wanted && gpus[members->front()].link != 0;
  };
  std::stable_sort(order.begin(), order.end(), [&](const auto* a, const auto* b) {
    if (whole(a) != whole(b)) return whole(a);
    return whole(a) ? a->size() < b->size() : a->size() > b->size();
  });
  GpuMask out;
  for (const auto* members : order) {
    for (const size_t i : *members) {
      if (out.count() == wanted) return out;
      out.set(i);
    }
  }
  return out;
}

}  // namespace devrun::controller
