// Device nodes that nobody makes after a boot until a program with the right to do so asks for them: /dev/nvidia-uvm, without which no CUDA
// program starts, and those of slices. Where NVIDIA's nvidia-modprobe is installed the agent has it make them; else it says so.
//
// In containers nobody may make them, and a driver's own library does so only outside of them.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "agent/gpu/found.h"
#include "common/base/time.h"
#include "common/runtime/stubborn_child.h"

namespace devrun::gpu {

inline constexpr std::string_view kUvmNode = "/dev/nvidia-uvm";

// What must be run below `driver_root` so that all nodes for these GPUs are there, each a program with its words; none: they are.
std::vector<std::vector<std::string>> words_for_nodes(const std::string& driver_root,
                                                      const std::vector<FoundGpu>& gpus);

// Owned by one thread.
class DeviceNodes {
 public:
  explicit DeviceNodes(std::string driver_root) : root_(std::move(driver_root)) {}

  // Makes what is missing, at the most once in kEvery, and tells of each of NVIDIA's GPUs what it still lacks. A few ms where
  // nothing is missing; at the most kWithin.
  void see_to(std::vector<FoundGpu>& gpus);

  static constexpr Duration kEvery = seconds(60);
  static constexpr Duration kWithin = seconds(10);

 private:
  void make(const std::vector<FoundGpu>& gpus);
  std::string why_missing() const;

  const std::string root_;
  Time tried_;
  bool ever_ = false;
  std::string said_;                      // what came of it
  std::unique_ptr<StubbornChild> stray_;  // one that did not end: there is no second one beside it
};

}  // namespace devrun::gpu
