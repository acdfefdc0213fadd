// A double of libcuda.so.1 for `devrun-gpus --check`: GPUs whose memory is this machine's. How many there are, and what fails, is
// told by a file `cuda` beside it, read once: a number, then words:
//   wrong N     copies from GPU N come back with a bit changed      far         GPUs do not reach one another directly
//   no-memory   none can be had
#include <dlfcn.h>

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>

namespace {

constexpr int kSuccess = 0;
constexpr int kInvalid = 1;
constexpr int kNoMemory = 2;

int gpus = 0;
int wrong = -1;
bool far = false;
bool no_memory = false;
int current = -1;

// Contexts are numbers from 1.
int gpu_of(void* context) {
  return static_cast<int>(reinterpret_cast<intptr_t>(context)) - 1;
}

}  // namespace

extern "C" {

int cuInit(unsigned) {
  Dl_info self{};
  if (dladdr(reinterpret_cast<void*>(&cuInit), &self) == 0) return kInvalid;
  const std::string path(self.dli_fname);
  std::ifstream file(path.substr(0, path.rfind('/')) + "/cuda");
  if (!(file >> gpus)) return kInvalid;
  for (std::string word; file >> word;) {
    if (word == "wrong") file >> wrong;
    far = far || word == "far";
    no_memory = no_memory || word == "no-memory";
  }
  return kSuccess;
}
int cuGetErrorString(int code, const char** text) {
  *text = code == kNoMemory ? "out of memory" : "the double was asked for what it has not";
  return kSuccess;
}
int cuDeviceGetCount(int* count) {
  *count = gpus;
  return kSuccess;
}
int cuDeviceGet(int* device, int number) {
  *device = number;
  return number < gpus ? kSuccess : kInvalid;
}
int cuDeviceGetName(char* to, int bytes, int) {
  std::strncpy(to, "a double", static_cast<size_t>(bytes));
  return kSuccess;
}
int cuDevicePrimaryCtxRetain(void** context, int device) {
  *context = reinterpret_cast<void*>(static_cast<intptr_t>(device) + 1);
  return kSuccess;
}
int cuCtxSetCurrent(void* context) {
  current = gpu_of(context);
  return current >= 0 && current < gpus ? kSuccess : kInvalid;
}
int cuCtxSynchronize() {
  return kSuccess;
}
int cuMemAlloc_v2(unsigned long long* at, size_t bytes) {
  if (no_memory) return kNoMemory;
  *at = reinterpret_cast<unsigned long long>(std::malloc(bytes));
  return *at == 0 ? kNoMemory : kSuccess;
}
int cuMemcpyHtoD_v2(unsigned long long to, const void* from, size_t bytes) {
  std::memcpy(reinterpret_cast<void*>(to), from, bytes);
  return kSuccess;
}
int cuMemcpyDtoH_v2(void* to, unsigned long long from, size_t bytes) {
  std::memcpy(to, reinterpret_cast<void*>(from), bytes);
  if (current == wrong) static_cast<char*>(to)[bytes / 2] ^= 4;
  return kSuccess;
}
int cuMemcpyPeer(unsigned long long to, void*, unsigned long long from, void*, size_t bytes) {
  std::memcpy(reinterpret_cast<void*>(to), reinterpret_cast<void*>(from), bytes);
  return kSuccess;
}
int cuDeviceCanAccessPeer(int* can, int, int) {
  *can = far ? 0 : 1;
  return kSuccess;
}
int cuCtxEnablePeerAccess(void*, unsigned) {
  return far ? kInvalid : kSuccess;
}
int cuModuleLoadData(void** module, const void* text) {
  *module = const_cast<void*>(text);
  return std::strstr(static_cast<const char*>(text), ".entry add(") != nullptr ? kSuccess
                                                                               : kInvalid;
}
int cuModuleGetFunction(void** function, void* module, const char*) {
  *function = module;
  return kSuccess;
}
int cuLaunchKernel(void*, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned,
                   void*, void** arguments, void**) {
  auto* const to = reinterpret_cast<float*>(*static_cast<unsigned long long*>(arguments[0]));
  auto* const from = reinterpret_cast<float*>(*static_cast<unsigned long long*>(arguments[1]));
  const unsigned n = *static_cast<unsigned*>(arguments[2]);
  for (unsigned i = 0; i < n; ++i) to[i] += from[i];
  return kSuccess;
}

}  // extern "C"
