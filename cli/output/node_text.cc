// Nodes for people.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "cli/output/console.h"
#include "cli/output/files_text.h"
#include "cli/output/gpu_text.h"
#include "cli/output/job_text.h"
#include "cli/output/table.h"
#include "cli/output/text_parts.h"
#include "common/base/units.h"

namespace devrun::cli {

std::string node_state(const NodeRecord& node, Time now) {
  if (!node.connected) return fmt::format("silent, {}", ago(node.last_heard, now));
  if (!node.trouble.empty()) return "broken";
  if (!node.drained.empty()) return "drained";
  return node.set_aside.empty() ? "up" : "set aside";
}

std::optional<AttemptKey> node_gpu_holder(const NodeRecord& node, uint32_t index) {
  for (const NodeRecord::GpuHolder& holder : node.gpu_holders) {
    if (std::ranges::count(holder.gpus, index) != 0) return holder.key;
  }
  return std::nullopt;
}

std::string node_text(const NodeRecord& node, Time now) {
  std::string out;
  const NodeHello& hello = node.hello;
  line(out, "node", hello.name);
  line(out, "state", node_state(node, now));
  if (!node.trouble.empty()) line(out, "trouble", node.trouble);
  if (!node.drained.empty()) line(out, "drained", node.drained);
  if (!node.set_aside.empty()) line(out, "not in use", node.set_aside);
  line(out, "address", hello.address);
  line(out, "version", hello.version);
  if (!hello.pools.empty()) line(out, "pools", fmt::format("{}", fmt::join(hello.pools, ", ")));
  if (!hello.labels.empty()) line(out, "labels", labels_text(hello.labels));
  if (!hello.site_paths.empty()) {
    line(out, "site mounts", fmt::format("{}", fmt::join(hello.site_paths, ", ")));
  }
  if (hello.leaves.us != 0) {
    line(out, "leaves in", format_duration(std::max(hello.leaves - now, Duration{})));
  }
  line(out, "has", resources_text(hello.total));
  line(out, "in use", resources_text(node.used));
  line(out, "jobs", fmt::format("{}", node.attempts));
  if (!node.files.empty()) out += files_text(node.files);
  return hello.gpus.empty() && hello.gpu_driver.empty() ? out : out + gpus_text(node);
}

std::string trouble_text(const NodeRecord& node, Time now) {
  const std::string& name = node.hello.name;
  if (!node.connected) {
    return fmt::format(
        "{} is silent, last heard of {}: what runs there goes on, unseen\n"
        "try: devrun up, which starts what is missing; devrun nodes lost {}, if it is gone for "
        "good\n",
        name, ago(node.last_heard, now), name);
  }
  std::string out;
  if (!node.trouble.empty()) {
    out +=
        fmt::format("{} takes no jobs: {}\ntry: devrun nodes show {}\n", name, node.trouble, name);
  }
  if (const std::string away = store_away_text(node.files); !away.empty()) {
    out += fmt::format(
        "on {} the store {}\ntry: devrun nodes show {}; devrun up, which starts what is missing\n",
        name, away, name);
  }
  return out;
}

std::string nodes_text(const std::vector<NodeRecord>& nodes, Time now) {
  Table table({"NODE", "STATE", "CPU", "MEMORY", "GPUS", "JOBS", "POOLS", "ADDRESS"});
  for (const NodeRecord& node : nodes) {
    const auto cores = [](int64_t milli) {
      return fmt::format("{:g}", static_cast<double>(milli) / 1000);
    };
    std::string pools = fmt::format("{}", fmt::join(node.hello.pools, ","));
    if (node.hello.dev_containers)
      pools += pools.empty() ? "(dev containers)" : " (dev containers)";
    table.add({node.hello.name, node_state(node, now),
               fmt::format("{}/{}", cores(node.used.cpu_milli), cores(node.hello.total.cpu_milli)),
               fmt::format("{}/{}", format_size(node.used.memory_bytes),
                           format_size(node.hello.total.memory_bytes)),
               fmt::format("{}/{}", node.used.gpus, node.hello.total.gpus),
               fmt::format("{}", node.attempts), pools.empty() ? "-" : pools, node.hello.address});
  }
  std::string out = table.render();
  for (const NodeRecord& node : nodes) {
    const std::string& name = node.hello.name;
    if (!node.trouble.empty()) out += fmt::format("{} takes no jobs: {}\n", name, node.trouble);
    if (!node.drained.empty()) {
      out += fmt::format("{} is drained: {}\n", name, printable(node.drained));
    }
    if (!node.set_aside.empty()) {
      out += fmt::format("{} is {}\n", name, printable(node.set_aside));
    }
    out += bad_gpus_text(node);
  }
  return out;
}

}  // namespace devrun::cli
