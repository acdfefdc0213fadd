// devrun-gpus: asks NVML which GPUs there are, a line each:
//   INDEX TAB MINOR TAB MEMORY_BYTES TAB UUID TAB NAME TAB LINK
// LINK is the number of a group of GPUs that are joined by NVLink or by PCIe switches alone; 0: NVML does not tell.
// A program of its own because the agent is linked statically, where dlopen is of no use, and because a driver that hangs
// or crashes must not take the agent along. The only dynamically linked program of devrun.
//
//   devrun-gpus [--every MS] [LIBRARY]     default: libnvidia-ml.so.1; status 3: there is no such library, 4: NVML refuses
//
// With --every it goes on for ever, and says every so often what they do:
//   INDEX TAB BUSY_PERCENT TAB USED_BYTES TAB TOTAL_BYTES
#include <dlfcn.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

namespace {

// Of nvml.h, which is not needed to build this.
struct Memory {
  unsigned long long total, free, used;
};
using Device = struct DeviceOf*;
using Init = int (*)();
using Count = int (*)(unsigned*);
using Handle = int (*)(unsigned, Device*);
using Number = int (*)(Device, unsigned*);
using Text = int (*)(Device, char*, unsigned);
using MemoryInfo = int (*)(Device, Memory*);
using Between = int (*)(Device, Device, int*);      // nvmlDeviceGetTopologyCommonAncestor
using Linked = int (*)(Device, Device, int, int*);  // nvmlDeviceGetP2PStatus
struct Rates {
  unsigned gpu, memory;
};
using RatesOf = int (*)(Device, Rates*);  // nvmlDeviceGetUtilizationRates
using ErrorText = const char* (*)(int);

constexpr int kStatusNoLibrary = 3;
constexpr int kStatusRefused = 4;

template <typename Function>
Function symbol(void* library, const char* name) {
  return reinterpret_cast<Function>(dlsym(library, name));
}

constexpr int kOfNvlink = 2;       // NVML_P2P_CAPS_INDEX_NVLINK
constexpr int kP2pWorks = 0;       // NVML_P2P_STATUS_OK
constexpr int kPcieSwitches = 20;  // NVML_TOPOLOGY_MULTIPLE: no host bridge between them

struct Topology {
  Between between;
  Linked linked;

  bool known() const { return between != nullptr || linked != nullptr; }
  bool near(Device a, Device b) const {
    int out = -1;
    if (linked != nullptr && linked(a, b, kOfNvlink, &out) == 0 && out == kP2pWorks) return true;
    return between != nullptr && between(a, b, &out) == 0 && out <= kPcieSwitches;
  }
};

// Of each device the group it is in: numbers from 1.
std::vector<unsigned> link_groups(const Topology& topology, const std::vector<Device>& devices) {
  std::vector<unsigned> out(devices.size(), 0);
  unsigned groups = 0;
  for (size_t i = 0; topology.known() && i < devices.size(); ++i) {
    for (size_t j = 0; j < i && out[i] == 0; ++j) {
      if (topology.near(devices[j], devices[i])) out[i] = out[j];
    }
    if (out[i] == 0) out[i] = ++groups;
  }
  return out;
}

int refused(void* library, const char* call, int code) {
  const auto text = symbol<ErrorText>(library, "nvmlErrorString");
  std::fprintf(stderr, "%s: %s\n", call, text != nullptr ? text(code) : "?");
  return kStatusRefused;
}

// What does not answer is left out of that round.
[[noreturn]] void say_what_they_do(useconds_t every_us, const std::vector<Device>& devices,
                                   const std::vector<unsigned>& indices, RatesOf rates_of,
                                   MemoryInfo memory_of) {
  for (;;) {
    for (size_t i = 0; i < devices.size(); ++i) {
      Rates rates{};
      Memory memory{};
      if (rates_of(devices[i], &rates) != 0 || memory_of(devices[i], &memory) != 0) continue;
      std::printf("%u\t%u\t%llu\t%llu\n", indices[i], rates.gpu, memory.used, memory.total);
    }
    if (std::fflush(stdout) != 0) std::exit(0);  // whoever listened has gone
    usleep(every_us);
  }
}

}  // namespace

int main(int argc, char** argv) {
  useconds_t every_us = 0;
  if (argc > 2 && std::string(argv[1]) == "--every") {
    every_us = static_cast<useconds_t>(std::atoi(argv[2])) * 1000;
    argc -= 2;
    argv += 2;
  }
  const char* name = argc > 1 ? argv[1] : "libnvidia-ml.so.1";
  void* library = dlopen(name, RTLD_NOW);
  if (library == nullptr) {
    std::fprintf(stderr, "%s\n", dlerror());
    return kStatusNoLibrary;
  }
  const auto init = symbol<Init>(library, "nvmlInit_v2");
  const auto count_of = symbol<Count>(library, "nvmlDeviceGetCount_v2");
  const auto handle_of = symbol<Handle>(library, "nvmlDeviceGetHandleByIndex_v2");
  const auto minor_of = symbol<Number>(library, "nvmlDeviceGetMinorNumber");
  const auto uuid_of = symbol<Text>(library, "nvmlDeviceGetUUID");
  const auto name_of = symbol<Text>(library, "nvmlDeviceGetName");
  const auto memory_of = symbol<MemoryInfo>(library, "nvmlDeviceGetMemoryInfo");
  if (init == nullptr || count_of == nullptr || handle_of == nullptr || minor_of == nullptr ||
      uuid_of == nullptr || name_of == nullptr || memory_of == nullptr) {
    std::fprintf(stderr, "%s lacks functions that are needed\n", name);
    return kStatusRefused;
  }
  if (const int code = init(); code != 0) return refused(library, "nvmlInit", code);
  unsigned count = 0;
  if (const int code = count_of(&count); code != 0) {
    return refused(library, "nvmlDeviceGetCount", code);
  }
  const Topology topology{symbol<Between>(library, "nvmlDeviceGetTopologyCommonAncestor"),
                          symbol<Linked>(library, "nvmlDeviceGetP2PStatus")};
  std::vector<Device> devices;
  std::vector<unsigned> indices;
  std::vector<std::string> lines;
  for (unsigned index = 0; index < count; ++index) {
    Device device = nullptr;
    unsigned minor = 0;
    char uuid[96] = "";
    char product[96] = "";
    Memory memory{};
    // One that does not answer, fallen off its bus say, is not offered; the others are.
    if (handle_of(index, &device) != 0 || minor_of(device, &minor) != 0 ||
        uuid_of(device, uuid, sizeof uuid) != 0 || name_of(device, product, sizeof product) != 0 ||
        memory_of(device, &memory) != 0) {
      std::fprintf(stderr, "GPU %u does not answer\n", index);
      continue;
    }
    char line[320];
    std::snprintf(line, sizeof line, "%u\t%u\t%llu\t%s\t%s", index, minor, memory.total, uuid,
                  product);
    devices.push_back(device);
    indices.push_back(index);
    lines.emplace_back(line);
  }
  if (every_us != 0) {
    const auto rates_of = symbol<RatesOf>(library, "nvmlDeviceGetUtilizationRates");
    if (rates_of == nullptr || devices.empty()) return kStatusRefused;
    say_what_they_do(every_us, devices, indices, rates_of, memory_of);
  }
  const std::vector<unsigned> groups = link_groups(topology, devices);
  for (size_t i = 0; i < lines.size(); ++i) std::printf("%s\t%u\n", lines[i].c_str(), groups[i]);
  return 0;
}
