// What a node says of itself (job.h).
#include "common/base/utf8.h"
#include "common/wire/job.h"

namespace devrun::wire {

namespace {

pb::Gpu to_proto(const Gpu& in) {
  pb::Gpu out;
  out.set_index(in.index);
  out.set_type(in.type);
  out.set_name(in_utf8(in.name));
  out.set_memory_bytes(in.memory_bytes);
  out.set_uuid(in_utf8(in.uuid));
  out.set_link(in.link);
  out.set_trouble(in_utf8(in.trouble));
  out.set_others(in_utf8(in.others));
  out.set_slice(in_utf8(in.slice));
  out.set_slice_of(in.slice_of);
  out.set_numa(in.numa);
  return out;
}

}  // namespace

pb::NodeHello to_proto(const NodeHello& in) {
  pb::NodeHello out;
  out.set_name(in.name);
  out.set_boot_id(in.boot_id);
  out.set_address(in.address);
  out.set_version(in.version);
  for (const std::string& feature : in.features) out.add_features(feature);
  *out.mutable_total() = to_proto(in.total);
  for (const std::string& pool : in.pools) out.add_pools(pool);
  out.set_dev_containers(in.dev_containers);
  for (const std::string& path : in.site_paths) out.add_site_paths(path);
  out.mutable_labels()->insert(in.labels.begin(), in.labels.end());
  for (const Gpu& gpu : in.gpus) {
    *out.add_gpus() = to_proto(gpu);
  }
  out.set_gpu_driver(in_utf8(in.gpu_driver));
  out.set_leaves_us(in.leaves.us);
  return out;
}

NodeHello from_proto(const pb::NodeHello& in) {
  std::vector<Gpu> gpus;
  for (const pb::Gpu& gpu : in.gpus()) {
    gpus.push_back({gpu.index(), gpu.type(), gpu.name(), gpu.memory_bytes(), gpu.uuid(), gpu.link(),
                    gpu.trouble(), gpu.others(), gpu.slice(), gpu.slice_of(), gpu.numa()});
  }
  return {in.name(),
          in.boot_id(),
          in.address(),
          in.version(),
          {in.features().begin(), in.features().end()},
          from_proto(in.total()),
          {in.pools().begin(), in.pools().end()},
          in.dev_containers(),
          std::move(gpus),
          {in.labels().begin(), in.labels().end()},
          {in.site_paths().begin(), in.site_paths().end()},
          in.gpu_driver(),
          Time{in.leaves_us()}};
}

}  // namespace devrun::wire
