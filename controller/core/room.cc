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
    room.gpus_free = gpus_of_type(node.hello, {});
    std::erase_if(room.gpus_free,
                  [&](const Gpu& gpu) { return node.gpus_used.count(gpu.index) != 0; });
    room.attempts = node.live.size();
    rooms.push_back(room);
  }
  return rooms;
}

int32_t free_gpus(const Room& room, const std::string& type) {
  int32_t out = 0;
  for (const Gpu& gpu : gpus_of_type(*room.hello, type)) {
    const auto is_it = [&](const Gpu& free) { return free.index == gpu.index; };
    if (std::any_of(room.gpus_free.begin(), room.gpus_free.end(), is_it)) ++out;
  }
  return out;
}

bool has_room(const Room& room, const Resources& need) {
  return room.attempts < kAttemptsPerNodeMax && need.cpu_milli <= room.free.cpu_milli &&
         need.memory_bytes <= room.free.memory_bytes &&
         (need.gpus == 0 || need.gpus <= free_gpus(room, need.gpu_type));
}

std::vector<uint32_t> take(Room& room, const Resources& need) {
  room.free.cpu_milli -= need.cpu_milli;
  room.free.memory_bytes -= need.memory_bytes;
  room.free.gpus -= need.gpus;
  ++room.attempts;
  std::vector<uint32_t> indices;
  if (need.gpus == 0) return indices;
  for (const Gpu& gpu : gpus_of_type(*room.hello, need.gpu_type)) {
    if (static_cast<int32_t>(indices.size()) == need.gpus) break;
    if (std::erase_if(room.gpus_free, [&](const Gpu& free) { return free.index == gpu.index; }) !=
        0) {
      indices.push_back(gpu.index);
    }
  }
  return indices;
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
