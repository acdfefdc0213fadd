// A node as the controller knows it.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/time.h"
#include "common/model/job.h"

namespace devrun {

struct Gpu {
  uint32_t index = 0;  // the node's number for it: as its driver counts, until devices come and go
  std::string type;    // as people ask for it: H100, A100-80GB
  std::string name;    // in the driver's words
  int64_t memory_bytes = 0;
  std::string uuid = {};
  // GPUs of one number are joined more closely (NVLink, or one PCIe switch) than those of different ones. 0: not told.
  uint32_t link = 0;
  std::string trouble = {};  // why nothing is placed on it; empty: it is well
  std::string others = {};   // programs that are not devrun's and use it, for people; empty: none
  std::string slice = {};    // MIG profile, "1g.5gb"; empty: a whole GPU
  uint32_t slice_of = 0;     // with `slice`: the number of the GPU
  uint32_t numa = 0;         // NUMA node, counted from 1; 0: not told
  bool operator==(const Gpu&) const = default;
};

// What an agent says of itself when it dials in. `boot_id` is the kernel's: a new one proves that
// every attempt of the old boot is over.
struct NodeHello {
  std::string name;
  std::string boot_id;
  std::string address;  // where other ranks reach this node
  std::string version;
  std::vector<std::string> features;
  Resources total;
  std::vector<std::string> pools;
  bool dev_containers = false;  // the storage host: takes dev containers and nothing else
  std::vector<Gpu> gpus = {};   // total.gpus of them; an older agent names none
  std::map<std::string, std::string> labels = {};
  std::vector<std::string> site_paths = {};  // of every container there: mounts of the node's
  std::string gpu_driver = {};               // for people: "NVIDIA 550.54.15, CUDA 12.4"
  Time leaves = {};  // when it goes by itself, as an allocation of Slurm's does; 0: nobody says
  bool operator==(const NodeHello&) const = default;
};

// All of a node's, slices too, by index. Where an agent names none they are numbered from 0.
std::vector<Gpu> all_gpus(const NodeHello& node);
// Those of `type` (any whole one, if empty; case does not count; a slice is also known by its profile alone) with that much
// memory, by index. What is the matter with them does not count.
std::vector<Gpu> gpus_of_type(const NodeHello& node, std::string_view type,
                              int64_t memory_bytes = 0);

// Things that a program has counted, by name (cache.hits, nfs.bytes_read): for people, nothing is decided by them.
using Counts = std::map<std::string, uint64_t>;

}  // namespace devrun
