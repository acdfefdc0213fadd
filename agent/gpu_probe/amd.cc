#include "agent/gpu_probe/amd.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>

namespace devrun::gpu_probe {

namespace {

namespace fs = std::filesystem;

constexpr int64_t kXgmi = 11;            // HSA_IOLINKTYPE_XGMI
constexpr int64_t kOnDevice[] = {1, 2};  // HSA_HEAPTYPE_FRAME_BUFFER_PUBLIC and _PRIVATE

using Properties = std::map<std::string, uint64_t>;

// "NAME VALUE" a line.
Properties properties_of(const fs::path& path) {
  std::ifstream file(path);
  Properties out;
  std::string name;
  uint64_t value = 0;
  while (file >> name >> value) out[name] = value;
  return out;
}

uint64_t of(const Properties& all, const char* name) {
  const auto it = all.find(name);
  return it == all.end() ? 0 : it->second;
}

std::vector<fs::path> folders_in(const fs::path& folder) {
  std::vector<fs::path> out;
  std::error_code failed;
  for (const auto& entry : fs::directory_iterator(folder, failed)) out.push_back(entry.path());
  // By number: 10 after 9.
  std::sort(out.begin(), out.end(), [](const fs::path& a, const fs::path& b) {
    const std::string x = a.filename();
    const std::string y = b.filename();
    return x.size() != y.size() ? x.size() < y.size() : x < y;
  });
  return out;
}

uint64_t memory_of(const fs::path& node) {
  uint64_t out = 0;
  for (const fs::path& bank : folders_in(node / "mem_banks")) {
    const Properties all = properties_of(bank / "properties");
    const auto heap = static_cast<int64_t>(of(all, "heap_type"));
    if (std::count(std::begin(kOnDevice), std::end(kOnDevice), heap) != 0) {
      out += of(all, "size_in_bytes");
    }
  }
  return out;
}

// Of /sys/class/hwmon, whichever of the names is there.
int64_t sensor(const fs::path& device, std::initializer_list<const char*> names) {
  for (const fs::path& hwmon : folders_in(device / "hwmon")) {
    for (const char* name : names) {
      if (const int64_t value = number_in(hwmon / name, 0); value > 0) return value;
    }
  }
  return 0;
}

// "ue: 3" of each block of it that counts errors.
uint64_t uncorrected_of(const fs::path& device) {
  uint64_t out = 0;
  for (const fs::path& file : folders_in(device / "ras")) {
    if (!file.filename().string().ends_with("_err_count")) continue;
    out += of(properties_of(file), "ue:");
  }
  return out;
}

std::string name_of(const fs::path& device, const Properties& node) {
  std::string name = text_in(device / "product_name");
  if (!name.empty()) return name;
  char out[32];
  std::snprintf(out, sizeof out, "AMD GPU %04x", static_cast<unsigned>(of(node, "device_id")));
  return out;
}

std::string bus_of(const Properties& node) {
  const auto place = static_cast<unsigned>(of(node, "location_id"));
  char out[32];
  std::snprintf(out, sizeof out, "%04x:%02x:%02x.%x", static_cast<unsigned>(of(node, "domain")),
                place >> 8 & 0xff, place >> 3 & 0x1f, place & 7);
  return out;
}

void look_at(const fs::path& device, Device& out) {
  out.used_bytes = static_cast<uint64_t>(number_in(device / "mem_info_vram_used", 0));
  const int64_t total = number_in(device / "mem_info_vram_total", 0);
  if (total > 0) out.memory_bytes = static_cast<uint64_t>(total);
  const int64_t busy = number_in(device / "gpu_busy_percent", -1);
  if (busy >= 0) out.busy_percent = static_cast<int>(std::min<int64_t>(busy, 100));
  out.temperature_c = static_cast<uint32_t>(sensor(device, {"temp1_input"}) / 1000);
  out.power_mw = static_cast<uint32_t>(sensor(device, {"power1_average", "power1_input"}) / 1000);
  out.numa = static_cast<int>(number_in(device / "numa_node", -1));
  out.uncorrected_errors = uncorrected_of(device);
}

// Which processes have memory of it: /sys/class/kfd/kfd/proc/PID/vram_GPUID.
std::vector<Process> processes_of(const fs::path& kfd, uint64_t gpu_id) {
  std::vector<Process> out;
  for (const fs::path& process : folders_in(kfd / "proc")) {
    const int64_t bytes = number_in(process / ("vram_" + std::to_string(gpu_id)), 0);
    const auto pid = static_cast<uint32_t>(std::strtoul(process.filename().c_str(), nullptr, 10));
    if (bytes > 0 && pid > 0) out.push_back({pid, static_cast<uint64_t>(bytes), program_of(pid)});
  }
  return out;
}

}  // namespace

bool look_at_amd(const std::string& root, Round& round) {
  const fs::path top = root == "/" ? fs::path("/") : fs::path(root);
  const fs::path kfd = top / "sys/class/kfd/kfd";
  struct Node {
    uint64_t number;
    size_t device;  // of the round's
    fs::path folder;
  };
  std::vector<Node> nodes;
  for (const fs::path& folder : folders_in(kfd / "topology/nodes")) {
    const auto id = static_cast<uint64_t>(number_in(folder / "gpu_id", 0));
    if (id == 0) continue;  // a CPU
    const Properties all = properties_of(folder / "properties");
    Device device;
    device.maker = "AMD";
    device.index = static_cast<uint32_t>(nodes.size());
    device.minor = static_cast<uint32_t>(of(all, "drm_render_minor"));
    char uuid[32];
    std::snprintf(uuid, sizeof uuid, "GPU-%016llx",
                  static_cast<unsigned long long>(of(all, "unique_id")));
    device.bus = bus_of(all);
    device.uuid = of(all, "unique_id") == 0 ? "AMD-" + device.bus : uuid;
    device.memory_bytes = memory_of(folder);
    const fs::path own = top / ("sys/class/drm/renderD" + std::to_string(device.minor)) / "device";
    device.name = name_of(own, all);
    look_at(own, device);
    device.processes = processes_of(kfd, id);
    nodes.push_back({static_cast<uint64_t>(std::strtoull(folder.filename().c_str(), nullptr, 10)),
                     round.devices.size(), folder});
    round.devices.push_back(std::move(device));
  }
  if (nodes.empty()) return false;
  // Joined by XGMI: one group, numbered from 1.
  uint32_t groups = 0;
  for (const Node& node : nodes) {
    uint32_t& link = round.devices[node.device].link;
    for (const fs::path& one : folders_in(node.folder / "io_links")) {
      const Properties all = properties_of(one / "properties");
      if (static_cast<int64_t>(of(all, "type")) != kXgmi) continue;
      const auto other = std::find_if(nodes.begin(), nodes.end(), [&](const Node& n) {
        return n.number == of(all, "node_to") && n.device < node.device;
      });
      if (other != nodes.end()) link = round.devices[other->device].link;
    }
    if (link == 0) link = ++groups;
  }
  const std::string version = text_in(top / "sys/module/amdgpu/version");
  round.drivers.push_back(version.empty() ? "AMD amdgpu" : "AMD amdgpu " + version);
  return true;
}

}  // namespace devrun::gpu_probe
