// Where a task of a shape can go now, and what is kept for one that cannot.
#include <algorithm>
#include <tuple>

#include "controller/core/schedule.h"
#include "controller/core/state.h"

namespace devrun::controller {

namespace {

// A set of nodes that is kept exactly is looked at whole, so it must be small.
constexpr size_t kKnownBeyondNeedMax = 64;
constexpr Duration kServedLately = seconds(5);

}  // namespace

bool Schedule::fits(NodeId node, ShapeId shape, Time now) {
  const Room& room = rooms_.at(node);
  if (!room.usable) return false;
  const Match& match = match_of(waits_, rooms_, shape, room.kind);
  return Rooms::fits(room, shape, waits_.at(shape).shape, match, now);
}

// As many as the shape needs, best first; all that there are if these are fewer.
std::vector<NodeId> Schedule::best_of(ShapeId shape, Time now) {
  const ShapeQueue& queue = waits_.at(shape);
  const size_t wanted = queue.shape.nodes;
  std::vector<NodeId> found;
  if (queue.known) {
    for (const NodeId node : queue.fitting) {
      if (fits(node, shape, now)) found.push_back(node);
    }
  } else {
    for (uint32_t kind = 0; kind < rooms_.kinds(); ++kind) {
      if (!match_of(waits_, rooms_, shape, kind).may_run) continue;
      size_t of_kind = 0;
      rooms_.each_by_fit(kind, queue.shape.need, [&](NodeId node) {
        if (!fits(node, shape, now)) return true;
        found.push_back(node);
        return ++of_kind < wanted;
      });
    }
  }
  const auto tightness = [&](NodeId node) {
    const Room& room = rooms_.at(node);
    return std::tuple(room.free.gpus, room.free.cpu_milli, node);
  };
  const auto tighter = [&](NodeId a, NodeId b) { return tightness(a) < tightness(b); };
  const auto end = found.begin() + static_cast<ptrdiff_t>(std::min(wanted, found.size()));
  std::partial_sort(found.begin(), end, found.end(), tighter);
  if (found.size() > wanted) found.resize(wanted);
  return found;
}

// The volume's files are in the caches of nodes where it ran. That is worth more than a tight fit, but not a whole node.
void Schedule::prefer_warm(std::vector<NodeId>& found, ShapeId shape, const std::string& volume,
                           Time now) {
  const auto warm = warm_.find(volume);
  if (warm == warm_.end() || found.size() != 1) return;
  const Room& best = rooms_.at(found[0]);
  for (const NodeId node : warm->second) {
    const Room& room = rooms_.at(node);
    const bool begun = room.attempts > 0 || best.attempts == 0;
    const bool costs_gpus = room.free.gpus > best.free.gpus && room.free.gpus == room.total.gpus;
    if (!begun || costs_gpus || !fits(node, shape, now)) continue;
    found[0] = node;
    return;
  }
}

std::optional<std::vector<NodeId>> Schedule::find_nodes(ShapeId shape, const std::string& volume,
                                                        Time now) {
  std::vector<NodeId> found = best_of(shape, now);
  ShapeQueue& queue = waits_.at(shape);
  if (found.size() < queue.shape.nodes) {
    begin_knowing(shape, found);
    return {};
  }
  if (queue.known && queue.fitting.size() > queue.shape.nodes + kKnownBeyondNeedMax) {
    queue.known = false;
    queue.fitting.clear();
    end_knowing(shape);
  }
  prefer_warm(found, shape, volume, now);
  // Ranks go by the nodes' names, whichever fits best.
  std::sort(found.begin(), found.end(),
            [&](NodeId a, NodeId b) { return rooms_.at(a).name < rooms_.at(b).name; });
  return found;
}

// Nodes may be kept for jobs behind the first of this shape, which came later and is ahead all the same. If it could start
// with these, they are kept no more, until it has started. True if that was so.
bool Schedule::take_from_later(const State& state, ShapeId shape, Time now) {
  const ShapeQueue& queue = waits_.at(shape);
  const WaitKey key = queue.heads.begin()->first;
  size_t found = queue.fitting.size();
  std::vector<ShapeId> later;
  for (const auto& [other, reservation] : reservations_) {
    const ShapeQueue& kept = waits_.at(other);
    if (other == shape || kept.heads.empty() || kept.heads.begin()->first < key) continue;
    const size_t before = found;
    for (const NodeId node : reservation.nodes) {
      if (queue.fitting.count(node) != 0) continue;
      const Room& room = rooms_.at(node);
      const Match& of = match_of(waits_, rooms_, shape, room.kind);
      if (Rooms::fits(room, other, queue.shape, of, now)) ++found;
    }
    if (found != before) later.push_back(other);
  }
  if (later.empty() || found < queue.shape.nodes) return false;
  for (const ShapeId other : later) drop_reservation(state, other, now);
  gave_way_.insert(later.begin(), later.end());
  return true;
}

// What gave way to a job that has started by now, before anybody behind it is looked at. One that is open will be.
void Schedule::keep_again(const State& state, Time now) {
  for (const ShapeId shape : std::exchange(gave_way_, {})) {
    if (waits_.shapes().count(shape) == 0) continue;
    const ShapeQueue& queue = waits_.at(shape);
    if (!queue.open && !queue.stopped_by_pool && !queue.heads.empty()) reserve(state, shape, now);
  }
}

void Schedule::close(const State& state, ShapeId shape, Time now) {
  waits_.set_open(shape, false);
  reserve(state, shape, now);
}

// Looks at every node, so not for a shape whose jobs start one after the other anyway.
void Schedule::reserve(const State& state, ShapeId shape, Time now) {
  if (reservations_.count(shape) != 0 || state.policy.reservations_max == 0) return;
  if (waits_.at(shape).served + kServedLately > now) return;
  const WaitKey key = waits_.at(shape).heads.begin()->first;
  std::optional<Reservation> instead_of;
  if (reservations_.size() >= state.policy.reservations_max) {
    const auto last =
        std::max_element(reservations_.begin(), reservations_.end(),
                         [](const auto& a, const auto& b) { return a.second.key < b.second.key; });
    if (last->second.key <= key) return;
    instead_of = last->second;
    drop_reservation(state, instead_of->shape, now);
  }
  auto found = find_reservation(state, rooms_, waits_, shape, now);
  const auto [own, user] = waits_.head(shape);
  const Time submitted = submitted_at(state.jobs.at(own.job));
  const bool too_soon =
      found && found->start == kNever && now - submitted < state.policy.reserve_blindly_after;
  if (!found || too_soon) found = std::move(instead_of);
  if (found) put_reservation(state, std::move(*found), now);
}

void Schedule::put_reservation(const State& state, Reservation reservation, Time now) {
  const ShapeId shape = reservation.shape;
  const ShapeQueue& queue = waits_.at(shape);
  if (queue.heads.empty()) return;
  reservation.key = {queue.heads.begin()->first.at_us, queue.heads.begin()->first.job};
  for (const NodeId node : reservation.nodes) {
    rooms_.set_hold(state, node, Hold{shape, reservation.start}, queue.shape.need, now);
  }
  const std::vector<NodeId> nodes = reservation.nodes;
  reservations_[shape] = std::move(reservation);
  for (const NodeId node : nodes) node_moved(node, now);
}

void Schedule::drop_reservation(const State& state, ShapeId shape, Time now) {
  const auto it = reservations_.find(shape);
  if (it == reservations_.end()) return;
  const std::vector<NodeId> nodes = std::move(it->second.nodes);
  reservations_.erase(it);
  for (const NodeId node : nodes) rooms_.set_hold(state, node, {}, {}, now);
  for (const NodeId node : nodes) node_moved(node, now);
}

}  // namespace devrun::controller
