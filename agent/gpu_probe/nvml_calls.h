// NVML's functions, as nvml.h declares them, found by name. Those that only newer drivers have may be null.
#pragma once

namespace devrun::gpu_probe {

using NvmlDevice = void*;

struct NvmlMemory {
  unsigned long long total, free, used;
};
struct NvmlMemoryV2 {
  unsigned version;
  unsigned long long total, reserved, free, used;
};
inline constexpr unsigned kNvmlMemoryV2 = sizeof(NvmlMemoryV2) | 2U << 24;
struct NvmlRates {
  unsigned gpu, memory;
};
struct NvmlPci {  // nvmlPciInfo_t of _v3
  char legacy[16];
  unsigned domain, bus, device, ids, subsystem;
  char name[32];
};
struct NvmlProcess {  // nvmlProcessInfo_t of _v2 and _v3
  unsigned pid;
  unsigned long long memory;
  unsigned gpu_instance, compute_instance;
};
struct NvmlEvent {  // nvmlEventData_t of _v2
  NvmlDevice device;
  unsigned long long type, data;
  unsigned gpu_instance, compute_instance;
};
struct NvmlField {  // nvmlFieldValue_t
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

inline constexpr int kNvmlSuccess = 0;
inline constexpr int kNvmlNotFound = 6;
inline constexpr int kNvmlInvalid = 2;                // NVML_ERROR_INVALID_ARGUMENT
inline constexpr int kNvmlTooSmall = 7;               // NVML_ERROR_INSUFFICIENT_SIZE
inline constexpr unsigned kNvmlRecoveryAction = 230;  // NVML_FI_DEV_GET_GPU_RECOVERY_ACTION
inline constexpr unsigned long long kNvmlXidEvent = 0x8;
inline constexpr unsigned long long kNvmlNotTold = ~0ULL;  // NVML_VALUE_NOT_AVAILABLE
inline constexpr int kNvmlOfNvlink = 2;                    // NVML_P2P_CAPS_INDEX_NVLINK
inline constexpr int kNvmlPcieSwitches = 20;  // NVML_TOPOLOGY_MULTIPLE: no host bridge between them

struct NvmlCalls {
  int (*init)() = nullptr;
  int (*count)(unsigned*) = nullptr;
  int (*handle)(unsigned, NvmlDevice*) = nullptr;
  int (*minor)(NvmlDevice, unsigned*) = nullptr;
  int (*uuid)(NvmlDevice, char*, unsigned) = nullptr;
  int (*name)(NvmlDevice, char*, unsigned) = nullptr;
  int (*memory)(NvmlDevice, NvmlMemory*) = nullptr;

  int (*memory_v2)(NvmlDevice, NvmlMemoryV2*) = nullptr;
  const char* (*error_text)(int) = nullptr;
  int (*driver)(char*, unsigned) = nullptr;
  int (*cuda)(int*) = nullptr;
  int (*rates)(NvmlDevice, NvmlRates*) = nullptr;
  int (*temperature)(NvmlDevice, int, unsigned*) = nullptr;
  int (*power)(NvmlDevice, unsigned*) = nullptr;
  int (*pci)(NvmlDevice, NvmlPci*) = nullptr;
  int (*ecc)(NvmlDevice, int, int, unsigned long long*) = nullptr;
  int (*remapped)(NvmlDevice, unsigned*, unsigned*, unsigned*, unsigned*) = nullptr;
  int (*fields)(NvmlDevice, int, NvmlField*) = nullptr;
  int (*processes)(NvmlDevice, unsigned*, NvmlProcess*) = nullptr;
  int (*between)(NvmlDevice, NvmlDevice, int*) = nullptr;
  int (*linked)(NvmlDevice, NvmlDevice, int, int*) = nullptr;
  int (*mig_mode)(NvmlDevice, unsigned*, unsigned*) = nullptr;
  int (*mig_most)(NvmlDevice, unsigned*) = nullptr;
  int (*mig_handle)(NvmlDevice, unsigned, NvmlDevice*) = nullptr;
  int (*gpu_instance)(NvmlDevice, unsigned*) = nullptr;
  int (*compute_instance)(NvmlDevice, unsigned*) = nullptr;
  int (*events)(void**) = nullptr;
  int (*register_events)(NvmlDevice, unsigned long long, void*) = nullptr;
  int (*wait)(void*, NvmlEvent*, unsigned) = nullptr;

  // False if one that is needed is not there.
  bool find(void* library);
};

}  // namespace devrun::gpu_probe
