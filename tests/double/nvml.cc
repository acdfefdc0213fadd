// A double of libnvidia-ml.so.1 for machines without a GPU: the GPUs that a file `gpus` beside it names, a line each:
//   MINOR TAB MEMORY_BYTES TAB UUID TAB NAME
// and of which a file `links`, if there is one, tells the groups that are joined by NVLink: a number for each GPU, 0: none; and
// a file `switches` likewise those behind one PCIe switch. The first is at 0000:10:00.0 of the PCI bus, the next at 0000:11:00.0.
// A file `busy`, read anew each time, tells how busy they are: a percentage and used bytes for each.
// A file `state`, read anew each time, tells what else is the matter, a line each, INDEX first:
//   0 lost                     it does not answer                 0 gone       the driver does not count it any more
//   0 xid 79                   an event, once                     0 ecc 2      uncorrected errors of memory
//   0 recovery 1               the driver asks for a reset        0 row 1      a row could not be remapped
//   0 temperature 61           0 power 312000                     0 pid 4242 1073741824   a process and its memory
//   0 mig 1 2 0 10737418240 MIG-a NVIDIA H100 80GB HBM3 MIG 1g.10gb   a slice: number, GPU and compute instance, memory …
//   0 mig-on                   MIG mode without a slice          0 slice-fails MIG-a   that slice tells no memory
//   0 reserved 536870912       the driver keeps so much memory for itself     0 no-use     it does not tell how busy it is
//   0 hang FILE                whoever asks how many there are opens FILE first, which may never end
// `gone` takes GPUs from the end, as a driver does that begins anew without them.
#include <dlfcn.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <vector>

namespace {

constexpr int kSuccess = 0;
constexpr int kInvalid = 2;
constexpr int kNotSupported = 3;
constexpr int kNotFound = 6;
constexpr int kTooSmall = 7;
constexpr int kTimeout = 10;
constexpr int kLost = 15;  // NVML_ERROR_GPU_IS_LOST

struct Slice {
  unsigned number = 0, gpu_instance = 0, compute_instance = 0;
  unsigned long long memory = 0;
  std::string uuid, name;
};

struct Fake {
  unsigned index = 0;
  unsigned minor = 0;
  unsigned long long memory = 0;
  std::string uuid, name;
  int link = 0;            // group; 0: none
  int pcie_switch = 0;     // likewise
  Slice* slice = nullptr;  // of a slice's handle
};
std::vector<Fake> fakes;
std::vector<std::vector<std::string>> told;  // events that have been given out, as lines of `state`
std::vector<Fake*> slices;                   // handles: never freed, as a program holds them

struct Memory {
  unsigned long long total, free, used;
};

std::string folder;

// The words behind INDEX of each line of `state` that is about this GPU and begins with `what`.
std::vector<std::vector<std::string>> state_of(unsigned index, const std::string& what) {
  std::ifstream file(folder + "/state");
  std::vector<std::vector<std::string>> out;
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    unsigned of = 0;
    if (!(words >> of) || of != index) continue;
    std::vector<std::string> rest;
    for (std::string word; words >> word;) rest.push_back(word);
    if (!rest.empty() && rest[0] == what) out.push_back(rest);
  }
  return out;
}
bool is(unsigned index, const std::string& what) {
  return !state_of(index, what).empty();
}
unsigned long long number_of(unsigned index, const std::string& what) {
  const auto lines = state_of(index, what);
  return lines.empty() || lines[0].size() < 2 ? 0 : std::stoull(lines[0][1]);
}

// Percentage and bytes.
std::pair<unsigned, unsigned long long> load_of(const Fake& fake) {
  std::ifstream file(folder + "/busy");
  std::pair<unsigned, unsigned long long> out{0, 0};
  for (const Fake& each : fakes) {
    if (!(file >> out.first >> out.second)) return {0, 0};
    if (each.index == fake.index) return out;
  }
  return {0, 0};
}

int copy(const std::string& text, char* to, unsigned bytes) {
  if (text.size() + 1 > bytes) return kInvalid;
  std::memcpy(to, text.c_str(), text.size() + 1);
  return kSuccess;
}

}  // namespace

extern "C" {

int nvmlInit_v2() {
  Dl_info self{};
  if (dladdr(reinterpret_cast<void*>(&nvmlInit_v2), &self) == 0) return kNotFound;
  const std::string path(self.dli_fname);
  folder = path.substr(0, path.rfind('/'));
  std::ifstream file(folder + "/gpus");
  if (!file) return kNotFound;
  fakes.clear();
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    Fake fake;
    words >> fake.minor >> fake.memory >> fake.uuid;
    std::getline(words >> std::ws, fake.name);
    fake.index = static_cast<unsigned>(fakes.size());
    fakes.push_back(fake);
  }
  std::ifstream links(folder + "/links");
  for (Fake& fake : fakes) links >> fake.link;
  std::ifstream switches(folder + "/switches");
  for (Fake& fake : fakes) switches >> fake.pcie_switch;
  return kSuccess;
}

// Whether two are joined by NVLink (2), as far as `links` tells.
int nvmlDeviceGetP2PStatus(void* a, void* b, int what, int* status) {
  const int group = static_cast<Fake*>(a)->link;
  if (group == 0) return kNotFound;
  *status = what == 2 && group == static_cast<Fake*>(b)->link ? kSuccess : kInvalid;
  return kSuccess;
}

int nvmlDeviceGetTopologyCommonAncestor(void* a, void* b, int* level) {
  const int group = static_cast<Fake*>(a)->pcie_switch;
  if (group == 0) return kNotSupported;
  *level = group == static_cast<Fake*>(b)->pcie_switch
               ? 20
               : 50;  // some switches, or the whole machine between them
  return kSuccess;
}

struct Pci {
  char legacy[16];
  unsigned domain, bus, device, ids, subsystem;
  char name[32];
};
int nvmlDeviceGetPciInfo_v3(void* device, Pci* to) {
  *to = {};
  to->bus = 0x10 + static_cast<Fake*>(device)->index;
  return kSuccess;
}

const char* nvmlErrorString(int code) {
  return code == kLost ? "GPU is lost" : "the double was asked for what it has not";
}

int nvmlSystemGetDriverVersion(char* to, unsigned bytes) {
  return copy("550.54.15", to, bytes);
}

int nvmlSystemGetCudaDriverVersion_v2(int* version) {
  *version = 12040;
  return kSuccess;
}

int nvmlDeviceGetCount_v2(unsigned* count) {
  for (const auto& words : state_of(0, "hang")) std::ifstream(words.at(1)).peek();
  unsigned gone = 0;
  for (const Fake& fake : fakes) gone += is(fake.index, "gone") ? 1 : 0;
  *count = static_cast<unsigned>(fakes.size()) - gone;
  return kSuccess;
}

int nvmlDeviceGetHandleByIndex_v2(unsigned index, void** device) {
  if (index >= fakes.size()) return kInvalid;
  if (is(index, "lost")) return kLost;
  *device = &fakes[index];
  return kSuccess;
}

int nvmlDeviceGetMinorNumber(void* device, unsigned* minor) {
  *minor = static_cast<Fake*>(device)->minor;
  return kSuccess;
}

int nvmlDeviceGetUUID(void* device, char* to, unsigned bytes) {
  return copy(static_cast<Fake*>(device)->uuid, to, bytes);
}

int nvmlDeviceGetName(void* device, char* to, unsigned bytes) {
  return copy(static_cast<Fake*>(device)->name, to, bytes);
}

int nvmlDeviceGetMemoryInfo(void* device, Memory* to) {
  const Fake& fake = *static_cast<Fake*>(device);
  for (const auto& words : state_of(fake.index, "slice-fails")) {
    if (words.at(1) == fake.uuid) return kLost;
  }
  const unsigned long long used =
      fake.slice != nullptr ? 0 : load_of(fake).second + number_of(fake.index, "reserved");
  *to = {fake.memory, fake.memory - used, used};
  return kSuccess;
}

struct MemoryV2 {
  unsigned version;
  unsigned long long total, reserved, free, used;
};
int nvmlDeviceGetMemoryInfo_v2(void* device, MemoryV2* to) {
  if (to->version != (sizeof(MemoryV2) | 2U << 24)) return kInvalid;
  const Fake& fake = *static_cast<Fake*>(device);
  Memory all{};
  if (const int code = nvmlDeviceGetMemoryInfo(device, &all); code != kSuccess) return code;
  const unsigned long long reserved = fake.slice != nullptr ? 0 : number_of(fake.index, "reserved");
  *to = {to->version, all.total, reserved, all.free, all.used - reserved};
  return kSuccess;
}

struct Rates {
  unsigned gpu, memory;
};
int nvmlDeviceGetUtilizationRates(void* device, Rates* to) {
  if (is(static_cast<Fake*>(device)->index, "no-use")) return kNotSupported;
  *to = {load_of(*static_cast<Fake*>(device)).first, 0};
  return kSuccess;
}

int nvmlDeviceGetTemperature(void* device, int, unsigned* to) {
  *to = static_cast<unsigned>(number_of(static_cast<Fake*>(device)->index, "temperature"));
  return *to == 0 ? kNotSupported : kSuccess;
}

int nvmlDeviceGetPowerUsage(void* device, unsigned* to) {
  *to = static_cast<unsigned>(number_of(static_cast<Fake*>(device)->index, "power"));
  return *to == 0 ? kNotSupported : kSuccess;
}

int nvmlDeviceGetTotalEccErrors(void* device, int kind, int since, unsigned long long* count) {
  if (kind != 1 || since != 0) return kInvalid;
  *count = number_of(static_cast<Fake*>(device)->index, "ecc");
  return kSuccess;
}

int nvmlDeviceGetRemappedRows(void* device, unsigned* a, unsigned* b, unsigned* pending,
                              unsigned* failed) {
  *a = *b = *pending = 0;
  *failed = static_cast<unsigned>(number_of(static_cast<Fake*>(device)->index, "row"));
  return kSuccess;
}

struct Field {
  unsigned id, scope;
  long long timestamp, latency;
  unsigned value_type;
  int status;
  union {
    double d;
    unsigned ui;
    unsigned long long ull;
  } value;
};
int nvmlDeviceGetFieldValues(void* device, int count, Field* fields) {
  for (int i = 0; i < count; ++i) {
    const unsigned index = static_cast<Fake*>(device)->index;
    fields[i].status = fields[i].id == 230 && is(index, "recovery") ? kSuccess : kNotSupported;
    fields[i].value.ui = static_cast<unsigned>(number_of(index, "recovery"));
  }
  return kSuccess;
}

struct Process {
  unsigned pid;
  unsigned long long memory;
  unsigned gpu_instance, compute_instance;
};
int nvmlDeviceGetComputeRunningProcesses_v3(void* device, unsigned* count, Process* to) {
  const Fake& fake = *static_cast<Fake*>(device);
  const auto lines =
      fake.slice != nullptr ? std::vector<std::vector<std::string>>() : state_of(fake.index, "pid");
  const bool fits = lines.size() <= *count;
  *count = static_cast<unsigned>(lines.size());
  if (!fits) return kTooSmall;
  for (size_t i = 0; i < lines.size(); ++i) {
    to[i] = {static_cast<unsigned>(std::stoul(lines[i].at(1))), std::stoull(lines[i].at(2)), 0, 0};
  }
  return kSuccess;
}

int nvmlDeviceGetMigMode(void* device, unsigned* now, unsigned* pending) {
  const unsigned index = static_cast<Fake*>(device)->index;
  *now = *pending = is(index, "mig") || is(index, "mig-on") ? 1 : 0;
  return kSuccess;
}

int nvmlDeviceGetMaxMigDeviceCount(void*, unsigned* count) {
  *count = 7;
  return kSuccess;
}

int nvmlDeviceGetMigDeviceHandleByIndex(void* device, unsigned number, void** out) {
  const Fake& whole = *static_cast<Fake*>(device);
  for (const auto& words : state_of(whole.index, "mig")) {
    if (words.size() < 7 || std::stoul(words[1]) != number) continue;
    for (Fake* known : slices) {
      if (known->uuid == words[5]) {
        *out = known;
        return kSuccess;
      }
    }
    Fake* fake = slices.emplace_back(new Fake(whole));
    fake->slice = new Slice{number,
                            static_cast<unsigned>(std::stoul(words[2])),
                            static_cast<unsigned>(std::stoul(words[3])),
                            0,
                            {},
                            {}};
    fake->memory = std::stoull(words[4]);
    fake->uuid = words[5];
    fake->name.clear();
    for (size_t i = 6; i < words.size(); ++i) fake->name += (i == 6 ? "" : " ") + words[i];
    *out = fake;
    return kSuccess;
  }
  return kNotFound;
}

int nvmlDeviceGetGpuInstanceId(void* device, unsigned* id) {
  const Fake& fake = *static_cast<Fake*>(device);
  if (fake.slice == nullptr) return kInvalid;
  *id = fake.slice->gpu_instance;
  return kSuccess;
}

int nvmlDeviceGetComputeInstanceId(void* device, unsigned* id) {
  const Fake& fake = *static_cast<Fake*>(device);
  if (fake.slice == nullptr) return kInvalid;
  *id = fake.slice->compute_instance;
  return kSuccess;
}

int nvmlEventSetCreate(void** set) {
  *set = &fakes;
  return kSuccess;
}

int nvmlDeviceRegisterEvents(void*, unsigned long long, void*) {
  return kSuccess;
}

struct Event {
  void* device;
  unsigned long long type, data;
  unsigned gpu_instance, compute_instance;
};
int nvmlEventSetWait_v2(void*, Event* out, unsigned ms) {
  constexpr unsigned kLookMs = 50;
  for (unsigned waited = 0;; waited += kLookMs) {
    for (Fake& fake : fakes) {
      for (std::vector<std::string> words : state_of(fake.index, "xid")) {
        words.push_back(fake.uuid);
        bool is_old = false;
        for (const auto& old : told) is_old = is_old || old == words;
        if (is_old) continue;
        told.push_back(words);
        *out = {&fake, 0x8, std::stoull(words.at(1)), 0, 0};
        return kSuccess;
      }
    }
    if (waited >= ms) return kTimeout;
    usleep(kLookMs * 1000);
  }
}

}  // extern "C"
