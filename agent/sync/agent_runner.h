// The hands of one attempt: what an agent has open for it. Private to agent.cc.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "agent/sync/agent.h"
#include "agent/sync/loop.h"
#include "agent/sync/streams.h"

namespace devrun::agent {

// `link` belongs to the worker while the core waits for its answer, else to the loop.
struct Agent::Runner {
  AttemptKey key;
  std::string folder;
  Duration lease;              // 0: none
  std::vector<uint32_t> gpus;  // of the node's, by index
  std::atomic<bool> abandoned = false;
  std::unique_ptr<Streams> streams;
  std::unique_ptr<shim::ShimLink> link;  // ends before the streams that its thread feeds
  Loop worker;                           // ends first
};

}  // namespace devrun::agent
