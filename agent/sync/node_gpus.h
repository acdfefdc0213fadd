// This node's GPUs: looked for when the agent starts, then watched, so that one that fails, comes back, is cut into slices or is
// used by somebody else is known within seconds (agent/gpu). Their numbers are kept in the node's state folder.
//
//   devrun-gpus ──round──▶ number ──▶ its share ──▶ judge ──▶ what the cluster is told, if that has changed
//                                                     └─────▶ what they do, for the sampler
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "agent/gpu/judge.h"
#include "agent/gpu/numbers.h"
#include "agent/gpu/watch.h"
#include "common/model/node.h"

namespace devrun::agent {

class NodeGpus {
 public:
  struct Options {
    std::string program;  // devrun-gpus; empty: the node has no GPUs, ever
    std::string driver_root = "/";
    std::string numbers_file;  // where their numbers are kept
    std::string boot_id;
    std::string cgroup_parent;  // of attempts, by which their processes are known
    uint32_t part = 1, parts = 1;
    std::vector<std::string> devices = {};  // these alone; empty: all
  };
  // Blocking: the first look. A driver that does not answer is a line in the log and no GPU.
  explicit NodeGpus(Options options);
  ~NodeGpus();

  // `changed` is called on a thread of its own, and once per change of gpus() or driver() at the most.
  void watch(std::function<void()> changed);
  // Now and then: a driver that has told nothing for long is trouble of all its GPUs.
  void check();
  void stop();

  // Any thread.
  std::vector<gpu::FoundGpu> found() const;
  std::vector<Gpu> gpus() const;
  std::string driver() const;
  std::map<uint32_t, GpuSample> newest() const;  // by number; none that is old

 private:
  // A round as this node sees it.
  gpu::FoundRound seen(gpu::FoundRound round);
  void on_round(gpu::FoundRound round);
  void take(std::vector<gpu::FoundGpu> found, const std::string& driver);
  void keep_numbers();

  const Options options_;
  mutable std::mutex mutex_;
  gpu::Numbers numbers_;
  gpu::Judge judge_;
  std::string kept_;  // of the numbers, in their file
  std::vector<gpu::FoundGpu> found_;
  std::string driver_;
  Time sampled_;            // boot_clock(): when their samples were told
  Time told_;               // likewise: when `changed` was called last
  std::vector<Gpu> known_;  // as it was then
  std::string known_driver_;
  std::function<void()> changed_;
  std::unique_ptr<gpu::Watch> watch_;
};

}  // namespace devrun::agent
