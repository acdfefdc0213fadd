// devrun-gpus: tells which GPUs there are and what they do, one line of JSON a round (probe.h).
//
//   devrun-gpus [--every MS] [--root DIR] [--library FILE]
//   devrun-gpus --check [--library FILE]       tries each GPU: see check.h
//
// --root: below which /sys is; --library: NVML's, or CUDA's for --check. Status 3: there is no driver, 4: it refuses.
// A program of its own because the agent is linked statically, where dlopen is of no use, and because a driver that hangs
// or crashes must not take the agent along. The only dynamically linked program of devrun.
//
// With --every it goes on until nobody listens, and tells at once what a GPU reports as an error. The driver cannot be
// unloaded while it runs.
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "agent/gpu_probe/amd.h"
#include "agent/gpu_probe/check.h"
#include "agent/gpu_probe/nvml.h"
#include "agent/gpu_probe/status.h"

namespace {

using namespace devrun::gpu_probe;

struct Arguments {
  int every_ms = 0;
  bool check = false;
  std::string root = "/";
  std::string library;
};

// As agent/gpu/driver_files.cc looks for it; the loader's own where the driver is installed as usual.
std::string library_below(const std::string& root, const std::string& name) {
  if (root == "/") return name;
  for (const char* folder :
       {"/usr/lib/x86_64-linux-gnu/", "/lib/x86_64-linux-gnu/", "/usr/lib64/", "/lib64/",
        "/usr/lib/", "/usr/local/nvidia/lib64/", "/opt/nvidia/driver/lib64/"}) {
    const std::string path = root + folder + name;
    if (access(path.c_str(), R_OK) == 0) return path;
  }
  return root + "/" + name;
}

bool parse(int argc, char** argv, Arguments& out) {
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (word == "--check") {
      out.check = true;
    } else if (i + 1 == argc) {
      return false;
    } else if (word == "--every") {
      out.every_ms = std::atoi(argv[++i]);
      if (out.every_ms <= 0) return false;
    } else if (word == "--root") {
      out.root = argv[++i];
    } else if (word == "--library") {
      out.library = argv[++i];
    } else {
      return false;
    }
  }
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  Arguments arguments;
  if (!parse(argc, argv, arguments)) {
    std::fputs("usage: devrun-gpus [--every MS] [--root DIR] [--library FILE] [--check]\n", stderr);
    return 2;
  }
  if (arguments.check) {
    return check_gpus(arguments.library.empty() ? library_below(arguments.root, "libcuda.so.1")
                                                : arguments.library);
  }
  Nvml nvml;
  for (int opened = -1;;) {
    // Also beside GPUs of another maker: its driver may come later.
    if (opened != 0) {
      opened =
          nvml.open(arguments.library.empty() ? library_below(arguments.root, "libnvidia-ml.so.1")
                                              : arguments.library);
    }
    Round round;
    if (opened == 0) nvml.look(arguments.root, round);
    const bool amd = look_at_amd(arguments.root, round);
    if (opened != 0 && !amd) return opened;
    if (std::puts(to_json(round).c_str()) < 0 || std::fflush(stdout) != 0) return 0;
    if (arguments.every_ms == 0) return 0;
    nvml.wait(arguments.every_ms);
  }
}
