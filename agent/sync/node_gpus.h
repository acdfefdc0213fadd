// This node's GPUs: looked for when the agent starts and watched from then on, so that one that fails, comes back, is cut into slices or
// is used by somebody else is known within seconds (agent/gpu). What is known of them is kept in the node's state folder.
//
//   devrun-gpus ──round──▶ own ──▶ number ──▶ its share ──▶ judge ──▶ what the cluster is told, if that has changed
//                                                             └─────▶ what they do, for the sampler
#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "agent/gpu/device_nodes.h"
#include "agent/gpu/judge.h"
#include "agent/gpu/named.h"
#include "agent/gpu/numbers.h"
#include "agent/gpu/watch.h"
#include "common/model/node.h"

namespace devrun::agent {

class NodeGpus {
 public:
  struct Options {
    std::string program;  // devrun-gpus; empty: the node has no GPUs, ever
    std::string driver_root = "/";
    std::string numbers_file;  // where what is known of them is kept
    std::string boot_id;
    std::string cgroup_parent;  // of attempts, by which their processes are known
    uint32_t part = 1, parts = 1;
    std::vector<std::string> devices = {};  // these alone; empty: all
    // For the first round: drivers that have just been loaded take some seconds. One that tells nothing is a line in the log, and the
    // node begins with those GPUs that it is known to have had, in trouble.
    Duration first_within = seconds(10);
  };
  // Blocking: the first round.
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
  std::map<uint32_t, GpuSample> newest()
      const;  // by number; none that is old, none whose use is not told

 private:
  // A round as this node sees it. `unheard`: what to say of GPUs that it does not tell.
  gpu::FoundRound seen(gpu::FoundRound round, std::string_view unheard);
  void on_round(gpu::FoundRound round);
  void on_silence(const std::string& why);
  void take(std::vector<gpu::FoundGpu> found, const std::string& driver);
  void read_kept();
  void keep();
  void say_missing(const std::vector<std::string>& names);

  const Options options_;
  std::mutex numbering_;  // of what seen() uses
  gpu::Named named_;
  gpu::Numbers numbers_;
  gpu::Judge judge_;
  gpu::DeviceNodes nodes_;
  std::string kept_;     // in their file
  std::string missing_;  // names of which there is no GPU, as it was said last

  mutable std::mutex mutex_;
  std::condition_variable first_;
  bool asked_ = false;  // a first answer has come, whatever it was
  std::vector<gpu::FoundGpu> found_;
  std::string driver_;
  Time sampled_;            // boot_clock(): when their samples were told
  Time told_;               // likewise: when `changed` was called last
  std::vector<Gpu> known_;  // as it was then
  std::string known_driver_;
  bool untold_ = false;  // something has changed before there was `changed`
  std::function<void()> changed_;
  std::unique_ptr<gpu::Watch> watch_;
};

}  // namespace devrun::agent
