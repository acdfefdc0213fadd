#include "agent/gpu_probe/nvml_calls.h"

#include <dlfcn.h>

namespace devrun::gpu_probe {

namespace {

template <typename Function>
bool find_one(void* library, const char* name, Function& out) {
  out = reinterpret_cast<Function>(dlsym(library, name));
  return out != nullptr;
}

}  // namespace

bool NvmlCalls::find(void* library) {
  const bool needed = find_one(library, "nvmlInit_v2", init) &&
                      find_one(library, "nvmlDeviceGetCount_v2", count) &&
                      find_one(library, "nvmlDeviceGetHandleByIndex_v2", handle) &&
                      find_one(library, "nvmlDeviceGetMinorNumber", minor) &&
                      find_one(library, "nvmlDeviceGetUUID", uuid) &&
                      find_one(library, "nvmlDeviceGetName", name) &&
                      find_one(library, "nvmlDeviceGetMemoryInfo", memory);
  find_one(library, "nvmlDeviceGetMemoryInfo_v2", memory_v2);
  find_one(library, "nvmlErrorString", error_text);
  find_one(library, "nvmlSystemGetDriverVersion", driver);
  find_one(library, "nvmlSystemGetCudaDriverVersion_v2", cuda);
  find_one(library, "nvmlDeviceGetUtilizationRates", rates);
  find_one(library, "nvmlDeviceGetTemperature", temperature);
  find_one(library, "nvmlDeviceGetPowerUsage", power);
  find_one(library, "nvmlDeviceGetPciInfo_v3", pci);
  find_one(library, "nvmlDeviceGetTotalEccErrors", ecc);
  find_one(library, "nvmlDeviceGetRemappedRows", remapped);
  find_one(library, "nvmlDeviceGetFieldValues", fields);
  if (!find_one(library, "nvmlDeviceGetComputeRunningProcesses_v3", processes)) {
    find_one(library, "nvmlDeviceGetComputeRunningProcesses_v2", processes);
  }
  find_one(library, "nvmlDeviceGetTopologyCommonAncestor", between);
  find_one(library, "nvmlDeviceGetP2PStatus", linked);
  find_one(library, "nvmlDeviceGetMigMode", mig_mode);
  find_one(library, "nvmlDeviceGetMaxMigDeviceCount", mig_most);
  find_one(library, "nvmlDeviceGetMigDeviceHandleByIndex", mig_handle);
  find_one(library, "nvmlDeviceGetGpuInstanceId", gpu_instance);
  find_one(library, "nvmlDeviceGetComputeInstanceId", compute_instance);
  find_one(library, "nvmlEventSetCreate", events);
  find_one(library, "nvmlDeviceRegisterEvents", register_events);
  find_one(library, "nvmlEventSetWait_v2", wait);
  return needed;
}

}  // namespace devrun::gpu_probe
