// The controller's core without its shell: a State, a real journal beside it if wanted, inputs in batches as
// controller/rpc/core_loop.cc makes them, and nodes and jobs to put in.
#pragma once

#include <memory>
#include <random>
#include <string>
#include <vector>

#include "controller/core/step.h"
#include "controller/journal/journal.h"

namespace devrun::bench {

// As `devrun python train.py` of a developer makes it, with 2.5 KB of sealed environment.
JobSpec developers_job(uint64_t n);
// One core each.
JobSpec array_of(uint64_t n, int32_t tasks);
NodeHello node_hello(uint64_t n);  // 64 cores, 512 GiB, 8 GPUs
ObservedAttempt observed(const AttemptKey& key, Phase phase, Time at);

struct Scene {
  controller::State state;
  std::unique_ptr<controller::Journal> journal;  // none: nothing is kept
  Time now{seconds(1'700'000'000).us};
  uint64_t sessions = 0;
  uint64_t requests = 0;

  // One after the other, then Place, then the journal. What is to be sent to agents comes back.
  std::vector<controller::SendDesired> run(const std::vector<controller::Input>& inputs);
  // Without a journal: only for making a scene.
  std::vector<controller::SendDesired> put(const controller::Input& input);
  controller::Submit submission(JobSpec spec);
  controller::Synchronized hello(NodeHello node);
};

}  // namespace devrun::bench
