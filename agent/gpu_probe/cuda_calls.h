// Functions of CUDA's driver API, as cuda.h declares them, found by name.
#pragma once

#include <dlfcn.h>

#include <cstddef>
#include <type_traits>

namespace devrun::gpu_probe {

inline constexpr int kCudaSuccess = 0;
inline constexpr int kCudaPeerEnabled = 704;  // CUDA_ERROR_PEER_ACCESS_ALREADY_ENABLED

struct CudaCalls {
  using Address = unsigned long long;  // CUdeviceptr

  int (*init)(unsigned) = nullptr;
  int (*error_text)(int, const char**) = nullptr;
  int (*count)(int*) = nullptr;
  int (*device)(int*, int) = nullptr;
  int (*name)(char*, int, int) = nullptr;
  int (*retain)(void**, int) = nullptr;
  int (*set_current)(void*) = nullptr;
  int (*synchronize)() = nullptr;
  int (*alloc)(Address*, size_t) = nullptr;
  int (*to_device)(Address, const void*, size_t) = nullptr;
  int (*to_host)(void*, Address, size_t) = nullptr;
  int (*between)(Address, void*, Address, void*, size_t) = nullptr;
  int (*can_access_peer)(int*, int, int) = nullptr;
  int (*enable_peer)(void*, unsigned) = nullptr;
  int (*load)(void**, const void*) = nullptr;
  int (*function)(void**, void*, const char*) = nullptr;
  int (*launch)(void*, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, void*,
                void**, void**) = nullptr;

  bool find(void* library) {
    const auto one = [&](const char* symbol, auto& out) {
      out = reinterpret_cast<std::remove_reference_t<decltype(out)>>(dlsym(library, symbol));
      return out != nullptr;
    };
    return one("cuInit", init) && one("cuGetErrorString", error_text) &&
           one("cuDeviceGetCount", count) && one("cuDeviceGet", device) &&
           one("cuDeviceGetName", name) && one("cuDevicePrimaryCtxRetain", retain) &&
           one("cuCtxSetCurrent", set_current) && one("cuCtxSynchronize", synchronize) &&
           one("cuMemAlloc_v2", alloc) && one("cuMemcpyHtoD_v2", to_device) &&
           one("cuMemcpyDtoH_v2", to_host) && one("cuMemcpyPeer", between) &&
           one("cuDeviceCanAccessPeer", can_access_peer) &&
           one("cuCtxEnablePeerAccess", enable_peer) && one("cuModuleLoadData", load) &&
           one("cuModuleGetFunction", function) && one("cuLaunchKernel", launch);
  }
};

}  // namespace devrun::gpu_probe
