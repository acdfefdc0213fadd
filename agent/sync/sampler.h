// Samples what the node and its attempts use, every two seconds, and tells the controller: the newest counts, so that one
// that is not answered is dropped. It takes no more of a core than kCoreShareMax: where looking takes longer (many
// processes, and a kernel without the controllers that would add them up), it looks less often.
//
// A thread of its own; `gpus` and `list` are called on it.
#pragma once

#include <grpcpp/grpcpp.h>

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "agent/sandbox/sandboxes.h"
#include "agent/sync/machine_load.h"
#include "common/model/sample.h"
#include "devrun/v1/monitor.grpc.pb.h"

namespace devrun::agent {

inline constexpr Duration kSampleEvery = seconds(2);
inline constexpr double kCoreShareMax = 0.004;

struct SampledAttempt {
  AttemptKey key;
  std::vector<uint32_t> gpus;
};

// The rates between two looks; without one before, they are 0. Pure.
class Rates {
 public:
  NodeSample machine(const MachineCounters& counters, const MachineMemory& memory, Time now);
  AttemptSample attempt(const AttemptKey& key, const Usage& usage, Time now);
  // Of attempts that are none of these any more.
  void forget_others(const std::vector<SampledAttempt>& live);

 private:
  struct Seen {
    Usage usage;
    Time at;
  };
  std::map<AttemptKey, Seen> attempts_;
  MachineCounters counters_;
  Time counted_;
};

// Fills in what the GPUs of an attempt do.
void add_gpus(const std::map<uint32_t, GpuSample>& busy, const std::vector<uint32_t>& indices,
              AttemptSample& out);

class Sampler {
 public:
  // The attempts whose programs run, to the answerer, from any thread.
  using Answer = std::function<void(std::vector<SampledAttempt>)>;
  using List = std::function<void(Answer)>;
  // What the node's GPUs do, by number.
  using Gpus = std::function<std::map<uint32_t, GpuSample>()>;

  Sampler(std::shared_ptr<grpc::Channel> controller, sandbox::Sandboxes& sandboxes, Gpus gpus,
          List list);
  ~Sampler();
  Sampler(const Sampler&) = delete;
  Sampler& operator=(const Sampler&) = delete;

 private:
  void run(const std::stop_token& stop);
  std::vector<SampledAttempt> live_attempts(const std::stop_token& stop);
  NodeSample sample(const std::vector<SampledAttempt>& live);
  void tell(const NodeSample& sample);

  const std::unique_ptr<devrun::v1::Samples::Stub> controller_;
  sandbox::Sandboxes& sandboxes_;
  const Gpus gpus_;
  const List list_;
  Rates rates_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  // Outlives us, for an answer that comes too late.
  struct Answered;
  std::shared_ptr<Answered> answered_;
  std::jthread thread_;
};

}  // namespace devrun::agent
