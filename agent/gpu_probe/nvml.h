// NVIDIA's GPUs by NVML, opened at run time: nothing of it is needed to build this. What a driver is too old to tell is
// left out; a GPU that does not answer is told as missing.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <string>

#include "agent/gpu_probe/probe.h"

namespace devrun::gpu_probe {

struct NvmlCalls;

class Nvml {
 public:
  Nvml();
  ~Nvml();
  // 0, or a status of devrun-gpus with a line on stderr: 3: there is no such library; 4: it refuses. Then it may be called
  // again: a driver may be installed, or loaded, later. What it says is said once.
  int open(const std::string& library);

  // Adds what it sees. `root`: below which its PCI devices are looked up. Where it cannot even count its GPUs, those of the
  // round before are told as missing.
  void look(const std::string& root, Round& round);
  // Until `ms` have passed or a GPU has reported something that look() is to tell.
  void wait(int ms);

 private:
  struct Seen;
  void look_at(unsigned index, const std::string& root, Device& out);
  // True: one came, and is noted.
  bool note_event(std::chrono::milliseconds within);
  void register_for_events(unsigned index, void* handle);

  std::unique_ptr<NvmlCalls> calls_;
  std::map<unsigned, Seen> seen_;  // by index
  std::string said_;
  void* events_ = nullptr;
  bool has_events_ = false;
};

}  // namespace devrun::gpu_probe
