// devrun-gpus: asks NVML which GPUs there are, a line each:
//   INDEX TAB MINOR TAB MEMORY_BYTES TAB UUID TAB NAME
// A program of its own because the agent is linked statically, where dlopen is of no use, and because a driver that hangs
// or crashes must not take the agent along. The only dynamically linked program of devrun.
//
//   devrun-gpus [LIBRARY]     default: libnvidia-ml.so.1; status 3: there is no such library, 4: NVML refuses
#include <dlfcn.h>

#include <cstdio>

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
using ErrorText = const char* (*)(int);

constexpr int kStatusNoLibrary = 3;
constexpr int kStatusRefused = 4;

template <typename Function>
Function symbol(void* library, const char* name) {
  return reinterpret_cast<Function>(dlsym(library, name));
}

int refused(void* library, const char* call, int code) {
  const auto text = symbol<ErrorText>(library, "nvmlErrorString");
  std::fprintf(stderr, "%s: %s\n", call, text != nullptr ? text(code) : "?");
  return kStatusRefused;
}

}  // namespace

int main(int argc, char** argv) {
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
    std::printf("%u\t%u\t%llu\t%s\t%s\n", index, minor, memory.total, uuid, product);
  }
  return 0;
}
