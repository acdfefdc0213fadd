// The hands of one attempt: what an agent has open for it. Private to agent.cc and agent_effects.cc.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "agent/sync/agent.h"
#include "agent/sync/loop.h"
#include "agent/sync/streams.h"
#include "common/base/log.h"

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

inline Found found_input(const sandbox::Found& found, const Asked& asked) {
  return {found.spec.key,
          found.shim_alive,
          found.ending,
          found.output_bytes,
          found.timeline,
          found.released,
          !found.spec.program.setup.empty(),
          asked,
          found.spec.time_limit};
}

inline void log_failure(const AttemptKey& key, std::string_view doing, const Status& status) {
  if (!status) log::warning("{}: {}: {}", to_string(key), doing, status.error().message);
}

}  // namespace devrun::agent
