#include "controller/core/reservation.h"

#include <algorithm>
#include <tuple>

#include "common/model/fits.h"
#include "common/model/resources.h"
#include "controller/core/state.h"

namespace devrun::controller {

namespace {

// Of nodes that nobody can tell the time of: the emptiest first.
int64_t in_use_permille(const Room& room) {
  const auto part = [](int64_t free, int64_t total) {
    return total == 0 ? int64_t{0} : 1000 - free * 1000 / total;
  };
  return std::max(part(room.free.cpu_milli, room.total.cpu_milli),
                  part(room.free.gpus, room.total.gpus));
}

// As they are to be expected: by their limits, but that what is overdue may come after others.
const std::vector<Freeing>& in_order(const std::vector<Freeing>& freeings, Time now,
                                     std::vector<Freeing>& sorted) {
  if (freeings.empty() || freeings.front().at > now) return freeings;
  sorted = freeings;
  std::stable_sort(sorted.begin(), sorted.end(), [&](const Freeing& a, const Freeing& b) {
    return expected(a, now) < expected(b, now);
  });
  return sorted;
}

}  // namespace

const Match& match_of(WaitList& waits, const Rooms& rooms, ShapeId shape, uint32_t kind) {
  ShapeQueue& queue = waits.at(shape);
  if (queue.matches.size() <= kind) queue.matches.resize(rooms.kinds());
  std::optional<Match>& known = queue.matches[kind];
  if (!known) known = match(queue.shape, rooms.kind(kind));
  return *known;
}

std::optional<Time> earliest(const State& state, Rooms& rooms, NodeId node, const Shape& shape,
                             const Match& match, Time now) {
  const Room& room = rooms.at(node);
  const Resources& need = shape.need;
  if (!room.usable || !match.may_run || !covers_but_gpus(room.total, need) ||
      static_cast<int32_t>((match.gpus & room.gpus_well).count()) < need.gpus) {
    return {};
  }
  int64_t cpu = room.free.cpu_milli;
  int64_t memory = room.free.memory_bytes;
  int32_t gpus = need.gpus == 0 ? 0 : static_cast<int32_t>((room.gpus_free & match.gpus).count());
  Time at = now;
  const auto enough = [&] {
    return cpu >= need.cpu_milli && memory >= need.memory_bytes && gpus >= need.gpus;
  };
  // Until it could start there, the node may come to leave before its limit is over: nothing is kept for it there.
  const auto unless_it_leaves = [&](Time start) -> std::optional<Time> {
    if (leaves_too_soon(room.leaves, shape.time_limit, start)) return {};
    return start;
  };
  if (!unless_it_leaves(now)) return {};
  if (!covers_extras(room.free, need)) return kNever;  // when these come back is not looked at
  if (enough()) return now;
  std::vector<Freeing> sorted;
  for (const Freeing& freeing : in_order(rooms.freeings(state, node), now, sorted)) {
    at = expected(freeing, now);
    cpu += freeing.cpu_milli;
    memory += freeing.memory_bytes;
    gpus += freeing.gpus;
    if (enough()) return at == kNever ? at : unless_it_leaves(at);
  }
  return kNever;
}

std::optional<Reservation> find_reservation(const State& state, Rooms& rooms, WaitList& waits,
                                            ShapeId id, Time now) {
  const Shape& shape = waits.at(id).shape;
  std::vector<std::tuple<Time, int64_t, NodeId>> found;
  for (NodeId node = 0; node < rooms.size(); ++node) {
    const Room& room = rooms.at(node);
    if (room.hold && room.hold->shape != id) continue;
    const Match& match = match_of(waits, rooms, id, room.kind);
    const std::optional<Time> at = earliest(state, rooms, node, shape, match, now);
    if (at) found.emplace_back(*at, *at == kNever ? in_use_permille(room) : 0, node);
  }
  if (found.size() < shape.nodes) return {};
  const auto end = found.begin() + shape.nodes;
  std::partial_sort(found.begin(), end, found.end());
  Reservation out;
  out.shape = id;
  out.start = std::get<0>(*(end - 1));
  for (auto it = found.begin(); it != end; ++it) out.nodes.push_back(std::get<2>(*it));
  return out;
}

}  // namespace devrun::controller
