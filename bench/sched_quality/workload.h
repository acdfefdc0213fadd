// A week of jobs on a GPU cluster, made up after what operators have published of theirs: Jeon et al., "Analysis of
// Large-Scale Multi-Tenant GPU Clusters" (ATC '19), and Hu et al., "Characterization and Prediction of Deep Learning
// Workloads" (SC '21): most jobs take one GPU and some minutes, most GPU time goes to few large and long ones; a few of
// many users submit most of the jobs; submissions come in bursts and by day.
#pragma once

#include <cstdint>
#include <vector>

namespace devrun::bench {

struct Cluster {
  uint32_t nodes = 64;
  uint32_t gpus_per_node = 8;
  int64_t gpus() const { return int64_t{nodes} * gpus_per_node; }
};

struct SampleJob {
  double submitted_s = 0;
  double runs_s = 0;
  double limit_s = 0;  // 0: none said
  uint32_t user = 0;
  uint32_t nodes = 1;
  uint32_t gpus = 1;  // on each
  int64_t all_gpus() const { return int64_t{nodes} * gpus; }
};

inline constexpr uint32_t kUsers = 200;

// In order of submission. `load`: asked for GPU time over what there is in that span.
std::vector<SampleJob> make_jobs(const Cluster& cluster, double span_s, double load, uint64_t seed);

}  // namespace devrun::bench
