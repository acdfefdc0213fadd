// What a machine's GPUs are and do at one moment, as drivers tell it: what devrun-gpus prints and the agent reads
// (agent/gpu/found.h). Facts alone: whether a GPU is fit for jobs is the agent's to judge (agent/gpu/health.h).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace devrun::gpu_probe {

struct Process {
  uint32_t pid = 0;
  uint64_t memory_bytes = 0;  // 0: not told
  std::string program;        // "" if it has gone meanwhile
};

// Part of a GPU in MIG mode.
struct Slice {
  uint32_t number = 0;  // as NVML counts within the GPU
  std::string uuid, name;
  std::string missing;  // why it does not answer; then nothing below is told
  uint64_t memory_bytes = 0, used_bytes = 0;
  uint32_t gpu_instance = 0, compute_instance = 0;
  std::vector<Process> processes;
};

struct Xid {
  uint32_t code = 0;
  int64_t seconds_ago = 0;
};

struct Device {
  std::string maker;    // NVIDIA or AMD
  uint32_t index = 0;   // as its driver counts
  std::string missing;  // why it does not answer; then nothing below is told but perhaps its uuid
  bool listed = true;   // with `missing`: by its driver, as one that there is
  std::string uuid, name, bus;
  uint32_t minor = 0;  // /dev/nvidiaMINOR, or /dev/dri/renderDMINOR
  uint32_t link = 0;   // group of those that are joined closely; 0: not told
  int numa = -1;
  uint64_t memory_bytes = 0, used_bytes = 0;
  int busy_percent = -1;                     // -1: not told
  uint32_t temperature_c = 0, power_mw = 0;  // 0: not told
  uint64_t uncorrected_errors = 0;           // of its memory, since its last reset
  bool remap_failed = false;                 // a bad row of its memory could not be replaced
  int recovery = -1;                         // NVML's recovery action; -1: the driver does not tell
  std::vector<Xid> xids;                     // seen by this process, the newest of each code
  std::vector<Process> processes;
  bool sliced = false;  // MIG mode: only its slices compute
  std::vector<Slice> slices;
};

struct Round {
  std::vector<std::string> drivers;  // "NVIDIA 550.54.15, CUDA 12.4"
  std::vector<Device> devices;
};

// One line.
std::string to_json(const Round& round);

// The name of a program that runs, of /proc; "" if it does not.
std::string program_of(uint32_t pid);
// The first number in a small file (sysfs); `otherwise` if there is none.
int64_t number_in(const std::string& path, int64_t otherwise);
std::string text_in(const std::string& path);

}  // namespace devrun::gpu_probe
