#include "agent/sync/machine.h"

#include <unistd.h>

#include <algorithm>

#include "common/base/version.h"
#include "common/model/labels.h"
#include "common/runtime/file.h"

namespace devrun::agent {
namespace {

Resources machine_resources(const Flags& flags) {
  Resources out;
  out.cpu_milli = flags.cpu_milli.value_or(::sysconf(_SC_NPROCESSORS_ONLN) * 1000);
  out.memory_bytes =
      flags.memory_bytes.value_or(int64_t{::sysconf(_SC_PHYS_PAGES)} * ::sysconf(_SC_PAGESIZE));
  return out;
}

Result<std::string> boot_id() {
  std::string id = TRY(read_file("/proc/sys/kernel/random/boot_id", 64));
  while (!id.empty() && id.back() == '\n') id.pop_back();
  return id;
}

}  // namespace

Result<NodeHello> hello_of(const Flags& flags) {
  NodeHello out;
  out.name = flags.name;
  out.boot_id = TRY(boot_id());
  out.address = flags.address;
  out.version = kVersion;
  out.total = machine_resources(flags);
  out.pools = flags.pools;
  out.labels = flags.labels;
  out.labels.erase(kLiveLabel);
  if (!flags.live.empty()) out.labels[kLiveLabel] = kLiveValue;
  out.total.extras = flags.extras;
  out.dev_containers = flags.dev_containers;
  out.leaves = flags.leaves;
  for (const sandbox::SiteMount& mount : flags.site_mounts) out.site_paths.push_back(mount.target);
  return out;
}

void set_gpus(NodeHello& hello, std::vector<Gpu> gpus, std::string driver) {
  hello.total.gpus = static_cast<int32_t>(gpus.size());
  const bool alike = std::all_of(gpus.begin(), gpus.end(),
                                 [&](const Gpu& gpu) { return gpu.type == gpus.front().type; });
  hello.total.gpu_type = alike && !gpus.empty() ? gpus.front().type : "";
  hello.gpus = std::move(gpus);
  hello.gpu_driver = std::move(driver);
}

}  // namespace devrun::agent
