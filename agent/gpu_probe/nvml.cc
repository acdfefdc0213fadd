#include "agent/gpu_probe/nvml.h"

#include <dlfcn.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <thread>

#include "agent/gpu_probe/nvml_calls.h"
#include "agent/gpu_probe/status.h"

namespace devrun::gpu_probe {

namespace {

constexpr unsigned kTextMax = 128;
constexpr size_t kProcessesAtFirst = 256;
constexpr size_t kProcessesMax = 16384;
constexpr size_t kXidsMax = 8;
constexpr int kUncorrected = 1, kSinceReset = 0;  // NVML_MEMORY_ERROR_TYPE_…, NVML_VOLATILE_ECC
constexpr int kGpuSensor = 0;

// A GPU in trouble may report many errors: they are told a few times a second.
constexpr auto kGather = std::chrono::milliseconds(200);

using Clock = std::chrono::steady_clock;

std::string text(int (*call)(NvmlDevice, char*, unsigned), NvmlDevice device) {
  char out[kTextMax] = "";
  return call(device, out, sizeof out) == kNvmlSuccess ? out : "";
}

// What programs use: the first version of the call counts what the driver keeps for itself, too.
int memory_of(const NvmlCalls& calls, NvmlDevice device, NvmlMemory& out) {
  NvmlMemoryV2 newer{};
  newer.version = kNvmlMemoryV2;
  if (calls.memory_v2 != nullptr && calls.memory_v2(device, &newer) == kNvmlSuccess) {
    out = {newer.total, newer.free, newer.used};
    return kNvmlSuccess;
  }
  return calls.memory(device, &out);
}

std::vector<Process> processes_of(const NvmlCalls& calls, NvmlDevice device) {
  std::vector<Process> out;
  if (calls.processes == nullptr) return out;
  std::vector<NvmlProcess> found(kProcessesAtFirst);
  unsigned count = 0;
  for (;;) {
    count = static_cast<unsigned>(found.size());
    const int status = calls.processes(device, &count, found.data());
    if (status == kNvmlSuccess) break;
    if (status != kNvmlTooSmall || found.size() >= kProcessesMax) return out;
    // `count` is how many there are; more may begin meanwhile.
    found.resize(std::min<size_t>(kProcessesMax, std::max<size_t>(count, found.size()) * 2));
  }
  for (unsigned i = 0; i < std::min<size_t>(count, found.size()); ++i) {
    const uint64_t memory = found[i].memory == kNvmlNotTold ? 0 : found[i].memory;
    out.push_back({found[i].pid, memory, program_of(found[i].pid)});
  }
  return out;
}

// "00000000:3B:00.0" as sysfs has it.
std::string bus_name(const NvmlPci& pci) {
  char out[32];
  std::snprintf(out, sizeof out, "%04x:%02x:%02x.0", pci.domain, pci.bus, pci.device);
  return out;
}

int recovery_of(const NvmlCalls& calls, NvmlDevice device) {
  if (calls.fields == nullptr) return -1;
  NvmlField field{};
  field.id = kNvmlRecoveryAction;
  if (calls.fields(device, 1, &field) != kNvmlSuccess || field.status != kNvmlSuccess) return -1;
  return static_cast<int>(field.value.ui);
}

std::string words_for(const NvmlCalls& calls, int code) {
  return calls.error_text == nullptr ? "an error" : calls.error_text(code);
}

// `uuids`: those of earlier rounds, by number. False: there is no such slice.
bool look_at_slice(const NvmlCalls& calls, NvmlDevice device,
                   std::map<unsigned, std::string>& uuids, Slice& slice) {
  NvmlDevice handle = nullptr;
  std::string& known = uuids[slice.number];
  int code = calls.mig_handle(device, slice.number, &handle);
  if (code == kNvmlNotFound || code == kNvmlInvalid) known.clear();
  if (code == kNvmlSuccess && handle != nullptr) {
    const std::string uuid = text(calls.uuid, handle);
    if (!uuid.empty()) known = uuid;
    slice.name = text(calls.name, handle);
    NvmlMemory memory{};
    code = memory_of(calls, handle, memory);
    slice.memory_bytes = memory.total;
    slice.used_bytes = memory.used;
    for (const auto& [call, out] : {std::pair(calls.gpu_instance, &slice.gpu_instance),
                                    std::pair(calls.compute_instance, &slice.compute_instance)}) {
      if (code == kNvmlSuccess) code = call == nullptr ? kNvmlNotFound : call(handle, out);
    }
    if (code == kNvmlSuccess && uuid.empty()) slice.missing = "it does not tell its UUID";
  }
  slice.uuid = known;
  if (code != kNvmlSuccess) slice.missing = words_for(calls, code);
  if (slice.missing.empty()) slice.processes = processes_of(calls, handle);
  return !slice.uuid.empty();
}

void look_at_slices(const NvmlCalls& calls, NvmlDevice device,
                    std::map<unsigned, std::string>& uuids, Device& out) {
  unsigned mode = 0;
  unsigned pending = 0;
  if (calls.mig_mode == nullptr || calls.mig_handle == nullptr || calls.mig_most == nullptr) return;
  if (calls.mig_mode(device, &mode, &pending) != kNvmlSuccess || mode == 0) return;
  out.sliced = true;
  unsigned most = 0;
  if (calls.mig_most(device, &most) != kNvmlSuccess) return;
  for (unsigned i = 0; i < most; ++i) {
    Slice slice;
    slice.number = i;
    if (look_at_slice(calls, device, uuids, slice)) out.slices.push_back(std::move(slice));
  }
}

bool near(const NvmlCalls& calls, NvmlDevice a, NvmlDevice b) {
  int out = -1;
  if (calls.linked != nullptr && calls.linked(a, b, kNvmlOfNvlink, &out) == kNvmlSuccess &&
      out == 0) {
    return true;
  }
  return calls.between != nullptr && calls.between(a, b, &out) == kNvmlSuccess &&
         out <= kNvmlPcieSwitches;
}

// Numbers from 1.
void group_by_links(const NvmlCalls& calls, std::vector<std::pair<NvmlDevice, Device*>>& devices) {
  uint32_t groups = 0;
  for (size_t i = 0; i < devices.size(); ++i) {
    uint32_t& link = devices[i].second->link;
    for (size_t j = 0; j < i && link == 0; ++j) {
      if (near(calls, devices[j].first, devices[i].first)) link = devices[j].second->link;
    }
    if (link == 0) link = ++groups;
  }
}

std::string driver_words(const NvmlCalls& calls) {
  std::string out = "NVIDIA";
  char version[kTextMax] = "";
  if (calls.driver != nullptr && calls.driver(version, sizeof version) == kNvmlSuccess) {
    out += std::string(" ") + version;
  }
  int cuda = 0;
  if (calls.cuda != nullptr && calls.cuda(&cuda) == kNvmlSuccess) {
    out += ", CUDA " + std::to_string(cuda / 1000) + "." + std::to_string(cuda % 1000 / 10);
  }
  return out;
}

}  // namespace

// What is known of a GPU beside what it says now.
struct Nvml::Seen {
  std::string uuid;
  NvmlDevice handle = nullptr;
  bool registered = false;
  std::map<unsigned, std::string> slices;  // UUIDs
  std::map<uint32_t, Clock::time_point> xids;

  std::vector<Xid> told_xids() const {
    std::vector<Xid> out;
    for (const auto& [code, at] : xids) {
      const auto ago = std::chrono::duration_cast<std::chrono::seconds>(Clock::now() - at);
      out.push_back({code, ago.count()});
    }
    return out;
  }
};

Nvml::Nvml() : calls_(std::make_unique<NvmlCalls>()) {}
Nvml::~Nvml() = default;

int Nvml::open(const std::string& library) {
  const auto say = [this](const std::string& words) {
    if (words == said_) return;
    said_ = words;
    std::fprintf(stderr, "%s\n", words.c_str());
  };
  void* const opened = dlopen(library.c_str(), RTLD_NOW);
  if (opened == nullptr) {
    say(dlerror());
    return kStatusNoLibrary;
  }
  if (!calls_->find(opened)) {
    say(library + " lacks functions that are needed");
    return kStatusRefused;
  }
  if (const int code = calls_->init(); code != kNvmlSuccess) {
    say("nvmlInit: " + words_for(*calls_, code));
    return kStatusRefused;
  }
  has_events_ = calls_->events != nullptr && calls_->register_events != nullptr &&
                calls_->wait != nullptr && calls_->events(&events_) == kNvmlSuccess;
  return 0;
}

void Nvml::register_for_events(unsigned index, void* handle) {
  Seen& seen = seen_[index];
  if (seen.registered && seen.handle == handle) return;
  seen.handle = handle;
  seen.registered =
      has_events_ && calls_->register_events(handle, kNvmlXidEvent, events_) == kNvmlSuccess;
}

void Nvml::look_at(unsigned index, const std::string& root, Device& out) {
  const NvmlCalls& calls = *calls_;
  out.maker = "NVIDIA";
  out.index = index;
  Seen& seen = seen_[index];
  out.uuid = seen.uuid;
  out.xids = seen.told_xids();
  NvmlDevice device = nullptr;
  NvmlMemory memory{};
  const auto missing = [&](int code) {
    if (code == kNvmlSuccess) return false;
    out.missing = words_for(calls, code);
    return true;
  };
  if (missing(calls.handle(index, &device)) || missing(calls.minor(device, &out.minor)) ||
      missing(memory_of(calls, device, memory))) {
    return;
  }
  seen.uuid = out.uuid = text(calls.uuid, device);
  out.name = text(calls.name, device);
  if (out.uuid.empty() || out.name.empty()) {
    out.missing = "it does not tell its name";
    return;
  }
  register_for_events(index, device);
  out.memory_bytes = memory.total;
  out.used_bytes = memory.used;
  NvmlRates rates{};
  if (calls.rates != nullptr && calls.rates(device, &rates) == kNvmlSuccess) {
    out.busy_percent = static_cast<int>(std::min(rates.gpu, 100U));
  }
  if (calls.temperature != nullptr) calls.temperature(device, kGpuSensor, &out.temperature_c);
  if (calls.power != nullptr) calls.power(device, &out.power_mw);
  unsigned long long errors = 0;
  if (calls.ecc != nullptr &&
      calls.ecc(device, kUncorrected, kSinceReset, &errors) == kNvmlSuccess) {
    out.uncorrected_errors = errors;
  }
  unsigned rows[4] = {};
  if (calls.remapped != nullptr &&
      calls.remapped(device, &rows[0], &rows[1], &rows[2], &rows[3]) == kNvmlSuccess) {
    out.remap_failed = rows[3] != 0;
  }
  out.recovery = recovery_of(calls, device);
  NvmlPci pci{};
  if (calls.pci != nullptr && calls.pci(device, &pci) == kNvmlSuccess) {
    out.bus = bus_name(pci);
    const std::string place = root == "/" ? "" : root;
    out.numa =
        static_cast<int>(number_in(place + "/sys/bus/pci/devices/" + out.bus + "/numa_node", -1));
  }
  look_at_slices(calls, device, seen.slices, out);
  if (!out.sliced) seen.slices.clear();
  if (!out.sliced) out.processes = processes_of(calls, device);
}

void Nvml::look(const std::string& root, Round& round) {
  unsigned count = 0;
  const int counted = calls_->count(&count);
  round.drivers.push_back(driver_words(*calls_));
  const size_t first = round.devices.size();
  for (unsigned index = 0; counted == kNvmlSuccess && index < count; ++index) {
    look_at(index, root, round.devices.emplace_back());
  }
  for (const auto& [index, seen] : seen_) {
    if (counted == kNvmlSuccess && index < count) continue;
    Device& lost = round.devices.emplace_back();
    lost.maker = "NVIDIA";
    lost.index = index;
    lost.uuid = seen.uuid;
    lost.xids = seen.told_xids();
    lost.missing = "the driver does not list it any more";
    lost.listed = false;
  }
  std::vector<std::pair<NvmlDevice, Device*>> answering;
  for (size_t i = first; i < round.devices.size(); ++i) {
    Device& device = round.devices[i];
    if (device.missing.empty()) answering.emplace_back(seen_[device.index].handle, &device);
  }
  if (calls_->between != nullptr || calls_->linked != nullptr) group_by_links(*calls_, answering);
}

bool Nvml::note_event(std::chrono::milliseconds within) {
  NvmlEvent event{};
  if (calls_->wait(events_, &event, static_cast<unsigned>(within.count())) != kNvmlSuccess) {
    return false;  // as a rule: nothing happened in that time
  }
  for (auto& [index, seen] : seen_) {
    if (seen.handle != event.device || event.type != kNvmlXidEvent) continue;
    const auto code = static_cast<uint32_t>(event.data);
    if (seen.xids.size() >= kXidsMax && seen.xids.count(code) == 0) {
      seen.xids.erase(
          std::ranges::min_element(seen.xids, {}, [](const auto& one) { return one.second; }));
    }
    seen.xids[code] = Clock::now();
  }
  return true;
}

void Nvml::wait(int ms) {
  auto until = Clock::now() + std::chrono::milliseconds(ms);
  bool any = false;
  for (bool listens = has_events_; Clock::now() < until;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now());
    if (!listens) {
      std::this_thread::sleep_for(left);
      break;
    }
    listens = note_event(left);
    if (!listens || any) continue;
    any = true;
    until = std::min(until, Clock::now() + kGather);
  }
}

}  // namespace devrun::gpu_probe
