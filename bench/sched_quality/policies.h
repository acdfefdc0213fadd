// Ways to place the same jobs, each run to its end in virtual time: when each job started.
#pragma once

#include <vector>

#include "bench/sched_quality/workload.h"

namespace devrun::bench {

// devrun's own core: every submission, start and end goes through controller/core's step().
std::vector<double> run_devrun(const Cluster& cluster, const std::vector<SampleJob>& jobs);
// First come, first served: who finds no room holds up all behind.
std::vector<double> run_fifo(const Cluster& cluster, const std::vector<SampleJob>& jobs);
// Likewise, but others pass if their limits prove that the first one is not delayed (EASY, Lifka 1995).
std::vector<double> run_easy(const Cluster& cluster, const std::vector<SampleJob>& jobs);
// No schedule has a lower mean wait: the cluster as one machine that works on the job with the least work left, preempting at
// no cost, and a job never faster than alone. Knows all in advance. Mean seconds from submission to end.
double bound_on_mean_turnaround(const Cluster& cluster, const std::vector<SampleJob>& jobs);

}  // namespace devrun::bench
