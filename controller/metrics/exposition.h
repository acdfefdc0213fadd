// The cluster's numbers as Prometheus reads them (text format 0.0.4). Pure: values in, text out.
//
// Written here and not by prometheus-cpp: Debian has that library for dynamic linking alone, and the controller is one static
// program; the format is a line a number.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "common/model/sample.h"

namespace devrun::controller {

inline constexpr size_t kJobsInMetricsMax = 500;

struct ClusterNumbers {
  std::map<std::string, uint64_t>
      jobs;              // that live, and those in memory that have ended, by state in lower case
  uint64_t waiting = 0;  // jobs with something to place
  std::map<std::string, uint64_t> nodes;                        // connected, away, drained
  std::map<std::string, uint64_t> gpus_used;                    // by user
  std::map<std::string, std::pair<int64_t, int64_t>> promised;  // by node: millicores, GPUs
  std::map<JobId, std::string> users;                           // of the jobs that live
  std::vector<NodeSample> samples;
};

// Of jobs that run, the newest kJobsInMetricsMax have series of their own; devrun_jobs_without_series counts the others.

std::string exposition(const ClusterNumbers& numbers);

}  // namespace devrun::controller
