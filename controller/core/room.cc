#include "controller/core/room.h"

#include <algorithm>

namespace devrun::controller {

std::vector<Room> connected_rooms(const State& state) {
  std::vector<Room> rooms;
  for (const auto& [name, node] : state.nodes) {
    if (node.lost || !is_connected(state, name) || !trouble_of(state, name).empty()) continue;
    Room room;
    room.hello = &node.hello;
    room.free = node.hello.total;
    room.free.cpu_milli -= node.used.cpu_milli;
    room.free.memory_bytes -= node.used.memory_bytes;
    room.free.gpus -= node.used.gpus;
    room.attempts = node.live.size();
    rooms.push_back(room);
  }
  return rooms;
}

bool may_run_on(const NodeHello& node, const JobSpec& spec) {
  if (node.dev_containers != spec.dev_container) return false;
  return spec.pool.empty() ||
         std::find(node.pools.begin(), node.pools.end(), spec.pool) != node.pools.end();
}

bool fits(const Resources& available, const Resources& need) {
  return need.cpu_milli <= available.cpu_milli && need.memory_bytes <= available.memory_bytes &&
         need.gpus <= available.gpus &&
         (need.gpus == 0 || need.gpu_type.empty() || need.gpu_type == available.gpu_type);
}

bool has_room(const Room& room, const Resources& need) {
  return room.attempts < kAttemptsPerNodeMax && fits(room.free, need);
}

void take(Room& room, const Resources& need) {
  room.free.cpu_milli -= need.cpu_milli;
  room.free.memory_bytes -= need.memory_bytes;
  room.free.gpus -= need.gpus;
  ++room.attempts;
}

const Job* first_unmet(const Ledger& ledger, const Job& job) {
  for (const JobId id : job.spec.after_ok) {
    const Job* other = find_job(ledger, id);
    if (other != nullptr && (!other->outcome || other->outcome->state != JobState::kSucceeded)) {
      return other;
    }
  }
  return nullptr;
}

bool at_array_limit(const Job& job, uint32_t running) {
  return !job.spec.array.empty() && job.spec.array_running_max != 0 &&
         running >= job.spec.array_running_max;
}

}  // namespace devrun::controller
