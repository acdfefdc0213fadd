// The predicates of placement, one each, for the scheduler and for `explain` alike. Private to
// controller/core.
#pragma once

#include <vector>

#include "common/model/fits.h"
#include "controller/core/state.h"

namespace devrun::controller {

// What is free on a node that is connected and in no trouble.
struct Room {
  const NodeHello* hello = nullptr;
  Resources free;
  std::vector<Gpu> gpus_free = {};  // by index
  size_t attempts = 0;
};

std::vector<Room> connected_rooms(const State& state);

bool has_room(const Room& room, const Resources& need);
// The indices of the GPUs that are taken. There must be room.
std::vector<uint32_t> take(Room& room, const Resources& need);
// How many of `type` are free; any, if it is empty.
int32_t free_gpus(const Room& room, const std::string& type);

// The first job that this one waits for and that has not SUCCEEDED; nullptr if there is none.
const Job* first_unmet(const Ledger& ledger, const Job& job);
bool at_array_limit(const Job& job, uint32_t running);

}  // namespace devrun::controller
