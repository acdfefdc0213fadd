#include "agent/gpu_probe/check.h"

#include <dlfcn.h>

#include <algorithm>
#include <chrono>
#include <cstdarg>
#include <cstdio>
#include <functional>
#include <vector>

#include "agent/gpu_probe/cuda_calls.h"
#include "agent/gpu_probe/status.h"

namespace devrun::gpu_probe {

namespace {

constexpr size_t kWords = 16U << 20;  // 64 MiB of floats, for each copy
constexpr size_t kBytes = kWords * sizeof(float);
constexpr unsigned kThreads = 256;

// to[i] += from[i]; compiled by the driver.
constexpr const char* kAddKernel = R"(.version 6.0
.target sm_50
.address_size 64
.visible .entry add(.param .u64 to, .param .u64 from, .param .u32 n)
{
  .reg .pred %p<2>;
  .reg .f32 %f<4>;
  .reg .b32 %r<6>;
  .reg .b64 %rd<8>;
  ld.param.u64 %rd1, [to];
  ld.param.u64 %rd2, [from];
  ld.param.u32 %r1, [n];
  mov.u32 %r2, %ctaid.x;
  mov.u32 %r3, %ntid.x;
  mov.u32 %r4, %tid.x;
  mad.lo.s32 %r5, %r2, %r3, %r4;
  setp.ge.u32 %p1, %r5, %r1;
  @%p1 bra DONE;
  cvta.to.global.u64 %rd3, %rd1;
  cvta.to.global.u64 %rd4, %rd2;
  mul.wide.u32 %rd5, %r5, 4;
  add.s64 %rd6, %rd3, %rd5;
  add.s64 %rd7, %rd4, %rd5;
  ld.global.f32 %f1, [%rd6];
  ld.global.f32 %f2, [%rd7];
  add.f32 %f3, %f1, %f2;
  st.global.f32 [%rd6], %f3;
DONE:
  ret;
}
)";

struct Gpu {
  int number = 0;
  int device = 0;
  void* context = nullptr;
  unsigned long long own = 0;    // kBytes each
  unsigned long long other = 0;  // what comes from elsewhere
  bool works = false;
};

class Check {
 public:
  explicit Check(const CudaCalls& cuda) : cuda_(cuda) {}

  int run() {
    int count = 0;
    if (!try_to("find GPUs", cuda_.count(&count))) return kStatusRefused;
    if (count == 0) {
      say("no GPU is visible");
      return kStatusRefused;
    }
    gpus_.resize(static_cast<size_t>(count));
    for (int i = 0; i < count; ++i) {
      gpus_[static_cast<size_t>(i)].number = i;
      open_and_copy(gpus_[static_cast<size_t>(i)]);
    }
    std::erase_if(gpus_, [](const Gpu& gpu) { return !gpu.works; });
    for (Gpu& a : gpus_) {
      for (Gpu& b : gpus_) {
        if (a.number < b.number) copy_between(a, b);
      }
    }
    if (gpus_.size() > 1) all_reduce();
    say("%s", failures_ == 0 ? "all is well" : "not all is well");
    return failures_ == 0 ? 0 : kStatusUnfit;
  }

 private:
  __attribute__((format(printf, 1, 2))) static void say(const char* format, ...) {
    va_list words;
    va_start(words, format);
    std::vprintf(format, words);
    va_end(words);
    std::printf("\n");
    std::fflush(stdout);
  }

  bool try_to(const std::string& what, int status) {
    if (status == kCudaSuccess) return true;
    const char* why = nullptr;
    cuda_.error_text(status, &why);
    say("cannot %s: %s", what.c_str(), why == nullptr ? "?" : why);
    ++failures_;
    return false;
  }
  bool expect(const std::string& what, bool good) {
    if (!good) {
      say("%s: wrong bytes", what.c_str());
      ++failures_;
    }
    return good;
  }

  static std::vector<float> pattern(int seed) {
    std::vector<float> out(kWords);
    for (size_t i = 0; i < kWords; ++i)
      out[i] = static_cast<float>((i * 7 + 1) % 1021 + static_cast<size_t>(seed));
    return out;
  }
  bool put(const Gpu& gpu, const std::vector<float>& words) {
    return cuda_.set_current(gpu.context) == kCudaSuccess &&
           cuda_.to_device(gpu.own, words.data(), kBytes) == kCudaSuccess;
  }
  static double seconds_since(std::chrono::steady_clock::time_point began) {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  }

  void open_and_copy(Gpu& gpu) {
    const std::string name = "GPU " + std::to_string(gpu.number);
    char model[128] = "";
    if (!try_to("open " + name, cuda_.device(&gpu.device, gpu.number)) ||
        !try_to("open " + name, cuda_.name(model, sizeof model, gpu.device)) ||
        !try_to("open " + name, cuda_.retain(&gpu.context, gpu.device)) ||
        !try_to("open " + name, cuda_.set_current(gpu.context)) ||
        !try_to("get memory of " + name, cuda_.alloc(&gpu.own, kBytes)) ||
        !try_to("get memory of " + name, cuda_.alloc(&gpu.other, kBytes))) {
      return;
    }
    const std::vector<float> sent = pattern(gpu.number);
    std::vector<float> back(kWords);
    const auto began = std::chrono::steady_clock::now();
    if (!try_to("copy to " + name, cuda_.to_device(gpu.own, sent.data(), kBytes)) ||
        !try_to("copy from " + name, cuda_.to_host(back.data(), gpu.own, kBytes))) {
      return;
    }
    const double seconds = seconds_since(began);
    if (!expect("copy to and from " + name, sent == back)) return;
    gpu.works = true;
    say("%s: %s, %.1f GB/s there and back", name.c_str(), model, 2.0 * kBytes / seconds / 1e9);
  }

  void copy_between(const Gpu& a, const Gpu& b) {
    const std::string pair =
        "GPU " + std::to_string(a.number) + " to GPU " + std::to_string(b.number);
    int direct = 0;
    if (!try_to("ask about " + pair, cuda_.can_access_peer(&direct, a.device, b.device))) return;
    if (direct != 0) {
      cuda_.set_current(a.context);
      const int status = cuda_.enable_peer(b.context, 0);
      if (status != kCudaPeerEnabled && !try_to("join " + pair, status)) return;
    }
    const std::vector<float> sent = pattern(100 + a.number);
    std::vector<float> back(kWords);
    if (!put(a, sent)) return;
    const auto began = std::chrono::steady_clock::now();
    if (!try_to("copy from " + pair, cuda_.between(b.other, b.context, a.own, a.context, kBytes)) ||
        !try_to("wait for " + pair, cuda_.synchronize())) {
      return;
    }
    const double seconds = seconds_since(began);
    cuda_.set_current(b.context);
    if (!try_to("copy from " + pair, cuda_.to_host(back.data(), b.other, kBytes))) return;
    if (!expect("copy from " + pair, sent == back)) return;
    say("%s: %s, %.1f GB/s", pair.c_str(), direct != 0 ? "direct" : "through the host",
        static_cast<double>(kBytes) / seconds / 1e9);
  }

  // gpu.own += gpu.other
  bool add(const Gpu& gpu) {
    void* module = nullptr;
    void* kernel = nullptr;
    const std::string name = "GPU " + std::to_string(gpu.number);
    if (!try_to("use " + name, cuda_.set_current(gpu.context)) ||
        !try_to("load a kernel on " + name, cuda_.load(&module, kAddKernel)) ||
        !try_to("load a kernel on " + name, cuda_.function(&kernel, module, "add"))) {
      return false;
    }
    unsigned long long to = gpu.own;
    unsigned long long from = gpu.other;
    auto n = static_cast<unsigned>(kWords);
    void* arguments[] = {&to, &from, &n};
    const unsigned blocks = (n + kThreads - 1) / kThreads;
    return try_to("run a kernel on " + name, cuda_.launch(kernel, blocks, 1, 1, kThreads, 1, 1, 0,
                                                          nullptr, arguments, nullptr)) &&
           try_to("run a kernel on " + name, cuda_.synchronize());
  }

  // All to the first, which adds up; the sum to all.
  void all_reduce() {
    std::vector<float> sum(kWords, 0);
    for (const Gpu& gpu : gpus_) {
      const std::vector<float> own = pattern(gpu.number);
      if (!put(gpu, own)) return;
      std::transform(sum.begin(), sum.end(), own.begin(), sum.begin(), std::plus<>());
    }
    const Gpu& first = gpus_.front();
    const auto began = std::chrono::steady_clock::now();
    const auto copy = [&](const Gpu& to, unsigned long long at, const Gpu& from) {
      return try_to("copy for the all-reduce",
                    cuda_.between(at, to.context, from.own, from.context, kBytes)) &&
             try_to("wait for the all-reduce", cuda_.synchronize());
    };
    for (size_t i = 1; i < gpus_.size(); ++i) {
      if (!copy(first, first.other, gpus_[i]) || !add(first)) return;
    }
    for (size_t i = 1; i < gpus_.size(); ++i) {
      if (!copy(gpus_[i], gpus_[i].own, first)) return;
    }
    const double seconds = seconds_since(began);
    std::vector<float> back(kWords);
    for (const Gpu& gpu : gpus_) {
      cuda_.set_current(gpu.context);
      if (!try_to("copy for the all-reduce", cuda_.to_host(back.data(), gpu.own, kBytes))) return;
      if (!expect("all-reduce on GPU " + std::to_string(gpu.number), back == sum)) return;
    }
    say("all-reduce of %zu MiB over %zu GPUs: right, %.0f ms", kBytes >> 20, gpus_.size(),
        seconds * 1e3);
  }

  const CudaCalls& cuda_;
  std::vector<Gpu> gpus_;
  int failures_ = 0;
};

}  // namespace

int check_gpus(const std::string& library) {
  void* const opened = dlopen(library.c_str(), RTLD_NOW);
  if (opened == nullptr) {
    std::fprintf(stderr, "%s\n", dlerror());
    return kStatusNoLibrary;
  }
  CudaCalls cuda;
  if (!cuda.find(opened)) {
    std::fprintf(stderr, "%s lacks functions that are needed\n", library.c_str());
    return kStatusRefused;
  }
  if (const int status = cuda.init(0); status != kCudaSuccess) {
    const char* why = nullptr;
    cuda.error_text(status, &why);
    std::fprintf(stderr, "cuInit: %s\n", why == nullptr ? "?" : why);
    return kStatusRefused;
  }
  return Check(cuda).run();
}

}  // namespace devrun::gpu_probe
