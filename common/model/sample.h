// What nodes and attempts use at a moment, as agents sample it every few seconds. For people alone: nothing is decided by
// it, and nothing of it is kept over a restart of the controller. Rates are means over the time since the sample before.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/model/ids.h"

namespace devrun {

inline constexpr size_t kSampledGpusMax = 64;
inline constexpr size_t kSampledAttemptsMax = 1024;

inline constexpr size_t kSampledProcessesMax = 16;  // of each GPU

// A program that has memory of a GPU.
struct GpuProcess {
  uint32_t pid = 0;          // on the node
  int64_t memory_bytes = 0;  // 0: not told
  std::string program = {};
  std::optional<AttemptKey> key = {};  // whose it is; none: devrun did not start it
  bool operator==(const GpuProcess&) const = default;
};

struct GpuSample {
  uint32_t index = 0;
  uint32_t busy_percent = 0;
  int64_t memory_bytes = 0;
  int64_t memory_total_bytes = 0;
  uint32_t temperature_c = 0;  // 0: not told
  uint32_t power_mw = 0;       // likewise
  std::vector<GpuProcess> processes = {};
  bool operator==(const GpuSample&) const = default;
};

struct AttemptSample {
  AttemptKey key;
  uint32_t cpu_milli = 0;  // thousandths of a core
  int64_t memory_bytes = 0;
  int64_t read_bytes_s = 0;
  int64_t written_bytes_s = 0;
  uint32_t gpus = 0;              // that it has
  uint32_t gpu_busy_percent = 0;  // the mean of these
  int64_t gpu_memory_bytes = 0;   // in all
  uint32_t gpu_idle_s = 0;        // how long none of them has done anything
  bool operator==(const AttemptSample&) const = default;
};

struct NodeSample {
  std::string node;
  uint32_t cpu_permille = 0;  // of all cores of the machine
  int64_t memory_bytes = 0;   // without what the kernel would give back
  int64_t memory_total_bytes = 0;
  int64_t read_bytes_s = 0;  // from disks
  int64_t written_bytes_s = 0;
  std::vector<GpuSample> gpus = {};
  std::vector<AttemptSample> attempts = {};
  bool operator==(const NodeSample&) const = default;
};

// The mean of its GPUs; 0 without any.
inline uint32_t gpu_percent(const NodeSample& node) {
  uint64_t sum = 0;
  for (const GpuSample& gpu : node.gpus) sum += gpu.busy_percent;
  return node.gpus.empty() ? 0 : static_cast<uint32_t>(sum / node.gpus.size());
}

// One point of a series: what a node or a job used.
struct Load {
  uint32_t cpu_milli = 0;
  uint32_t memory_mib = 0;
  uint32_t gpu_percent = 0;
  uint32_t io_kib_s = 0;
  bool operator==(const Load&) const = default;
};

struct LoadSeries {
  std::string name;  // of the node; empty: a job's
  int64_t step_us = 0;
  int64_t end_us = 0;  // of the last point
  bool has_gpus = false;
  std::vector<Load> points = {};  // oldest first
};

}  // namespace devrun
