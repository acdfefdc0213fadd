// What the agent says of its node when it dials, and again when that has changed: a GPU has failed, or come back.
#include "agent/sync/agent.h"
#include "agent/sync/machine.h"
#include "agent/sync/node_gpus.h"
#include "common/base/log.h"
#include "common/base/utf8.h"
#include "common/wire/attempt.h"

namespace devrun::agent {

namespace pb = devrun::v1;

namespace {
constexpr size_t kHelloBytesMax = 8 << 20;
}

pb::SynchronizeRequest Agent::hello() const {
  pb::SynchronizeRequest request;
  *request.mutable_hello() = wire::to_proto(hello_);
  request.set_instance(options_.instance);
  request.mutable_condition()->set_trouble(in_utf8(trouble_));
  put_counts(files_, *request.mutable_condition());
  for (const ObservedAttempt& one : observed_all(state_)) {
    *request.add_observed() = wire::to_proto(one);
  }
  // A message too large for the controller would keep the node away for good; lists of files are for people.
  if (request.ByteSizeLong() > kHelloBytesMax) {
    for (pb::ObservedAttempt& one : *request.mutable_observed()) {
      if (one.has_wrote()) one.mutable_wrote()->clear_notable();
    }
  }
  return request;
}

void Agent::watch_gpus() {
  if (options_.gpus == nullptr) return;
  options_.gpus->watch([this] { loop_.post([this] { on_gpus(); }); });
}

// The controller takes what a node has from its hello alone.
void Agent::on_gpus() {
  set_gpus(hello_, options_.gpus->gpus(), options_.gpus->driver());
  sandboxes_.set_gpus(options_.gpus->found());
  log::info("what this node has of GPUs has changed: dialling again");
  synchronize_.dial();
}

std::map<uint32_t, GpuSample> Agent::gpu_samples() const {
  return options_.gpus == nullptr ? std::map<uint32_t, GpuSample>() : options_.gpus->newest();
}

}  // namespace devrun::agent
