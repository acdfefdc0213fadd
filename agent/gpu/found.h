// The GPUs of this machine, as devrun-gpus (agent/gpu_probe) tells them, round by round.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "common/model/node.h"
#include "common/model/sample.h"

namespace devrun::gpu {

enum class Maker { kNvidia, kAmd };

// What speaks for or against a GPU, before anybody has judged (health.h).
struct Facts {
  std::string missing;              // why it does not answer; empty: it does
  bool listed = true;               // with `missing`: the driver says that there is one
  uint64_t uncorrected_errors = 0;  // of its memory, since its last reset
  bool remap_failed = false;
  int recovery = -1;  // NVML's recovery action; -1: not told
  struct Xid {
    uint32_t code = 0;
    int64_t seconds_ago = 0;
    bool operator==(const Xid&) const = default;
  };
  std::vector<Xid> xids = {};
  bool sliced = false;  // in MIG mode, with no slice
  std::string lacks =
      {};  // what its programs need of the machine and is not there (device_nodes.h)
  bool operator==(const Facts&) const = default;
};

// A GPU, or a slice of one. `gpu.index` is as its driver counts (of a slice: within its GPU) until numbers.h has numbered it.
struct FoundGpu {
  Gpu gpu;
  uint32_t minor = 0;  // /dev/nvidiaMINOR (of a slice: its GPU's), or /dev/dri/renderDMINOR
  Maker maker = Maker::kNvidia;
  // With gpu.slice: where it is in its GPU, by which its own device nodes are named.
  uint32_t gpu_instance = 0;
  uint32_t compute_instance = 0;
  std::string parent = {};  // with gpu.slice: the UUID of its GPU
  Facts facts = {};
  GpuSample sample = {};  // without `index` and processes' keys
  bool busy_told = true;  // false: its driver tells no use, so that 0 is not idleness
  bool operator==(const FoundGpu&) const = default;
};

struct FoundRound {
  std::string driver;  // for people: "NVIDIA 550.54.15, CUDA 12.4"
  std::vector<FoundGpu> gpus;
};

// A line of devrun-gpus; kCorrupt for anything else. A GPU in MIG mode is told as its slices.
Result<FoundRound> parse_round(std::string_view line);

// The program's words for a driver that is installed below `driver_root`, "/" as a rule. `more` first.
std::vector<std::string> probe_words(const std::string& program, const std::string& driver_root,
                                     const std::vector<std::string>& more);

// Part `part` (from 1) of `parts` when several nodes share a machine: each GPU, with its slices, belongs to one of them. By
// their numbers.
std::vector<FoundGpu> share_of(const std::vector<FoundGpu>& all, uint32_t part, uint32_t parts);

}  // namespace devrun::gpu
