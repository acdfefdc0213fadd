#include "controller/core/reservation.h"

#include <algorithm>
#include <tuple>

#include "common/model/fits.h"
#include "controller/core/state.h"

namespace devrun::controller {

namespace {

bool has_extras(const Room& room, const Resources& need) {
  return std::all_of(need.extras.begin(), need.extras.end(), [&](const auto& extra) {
    return extra.second <= extra_of(room.total, extra.first);
  });
}

}  // namespace

const Match& match_of(WaitList& waits, const Rooms& rooms, ShapeId shape, uint32_t kind) {
  ShapeQueue& queue = waits.at(shape);
  if (queue.matches.size() <= kind) queue.matches.resize(rooms.kinds());
  std::optional<Match>& known = queue.matches[kind];
  if (!known) known = match(queue.shape, rooms.kind(kind));
  return *known;
}

std::optional<Earliest> earliest(const State& state, Rooms& rooms, NodeId node, const Shape& shape,
                                 const Match& match, Time now) {
  const Room& room = rooms.at(node);
  const Resources& need = shape.need;
  if (!room.usable || !match.may_run || need.cpu_milli > room.total.cpu_milli ||
      need.memory_bytes > room.total.memory_bytes || !has_extras(room, need) ||
      static_cast<int32_t>(match.gpus.count()) < need.gpus) {
    return {};
  }
  int64_t cpu = room.free.cpu_milli;
  int64_t memory = room.free.memory_bytes;
  int32_t gpus = need.gpus == 0 ? 0 : static_cast<int32_t>((room.gpus_free & match.gpus).count());
  const auto enough = [&] {
    return cpu >= need.cpu_milli && memory >= need.memory_bytes && gpus >= need.gpus;
  };
  if (enough()) return Earliest{now, true};
  // Two lists, each in order: what is told, and what is guessed.
  const std::vector<Freeing>& all = rooms.freeings(state, node);
  const auto border = std::find_if_not(all.begin(), all.end(), is_told);
  auto told = all.begin();
  auto guessed = border;
  bool sure = true;
  while (told != border || guessed != all.end()) {
    const bool takes_told =
        guessed == all.end() || (told != border && expected(*told, now) <= expected(*guessed, now));
    const Freeing& next = takes_told ? *told++ : *guessed++;
    sure = sure && takes_told;
    cpu += next.cpu_milli;
    memory += next.memory_bytes;
    gpus += next.gpus;
    if (enough()) return Earliest{expected(next, now), sure};
  }
  return Earliest{kNever, false};
}

std::optional<Reservation> find_reservation(const State& state, Rooms& rooms, WaitList& waits,
                                            ShapeId id, Time now) {
  const Shape& shape = waits.at(id).shape;
  std::vector<std::tuple<Time, bool, NodeId>> found;
  for (NodeId node = 0; node < rooms.size(); ++node) {
    const Room& room = rooms.at(node);
    if (room.hold && room.hold->shape != id) continue;
    const Match& match = match_of(waits, rooms, id, room.kind);
    const std::optional<Earliest> at = earliest(state, rooms, node, shape, match, now);
    if (at) found.emplace_back(at->at, !at->told, node);
  }
  if (found.size() < shape.nodes) return {};
  const auto end = found.begin() + shape.nodes;
  std::partial_sort(found.begin(), end, found.end());
  Reservation out;
  out.shape = id;
  out.start = std::get<0>(*(end - 1));
  for (auto it = found.begin(); it != end; ++it) {
    out.nodes.push_back(std::get<2>(*it));
    out.told = out.told && !std::get<1>(*it);
  }
  return out;
}

}  // namespace devrun::controller
