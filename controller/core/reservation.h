// Nodes that are kept for jobs which wait for more than is free, so that smaller jobs behind them do not take for ever what
// ends one by one. Backfill: others may start on such a node if their time limit lets them end before, or beside what is
// kept ("EASY" backfilling, Lifka 1995, with several reservations). One for a shape, for the first few shapes in order.
//
// When the reserved nodes will be free follows from the time limits of what runs there. Where something runs without one,
// nobody can tell: then the nodes are kept as they become free, but only for a job that has waited for a while
// (Policy.reserve_blindly_after), since they may stand idle for long.
#pragma once

#include <vector>

#include "controller/core/wait_list.h"

namespace devrun::controller {

struct Reservation {
  ShapeId shape = 0;
  WaitKey key;  // of the job that it was made for, with its user's lag
  std::vector<NodeId> nodes;
  Time start = kNever;  // kNever: cannot be told
  bool operator==(const Reservation&) const = default;
};

// When the node could take a rank of the shape if nothing else were placed there; nothing if it never could.
std::optional<Time> earliest(const State& state, Rooms& rooms, NodeId node, const Shape& shape,
                             const Match& match, Time now);

// The nodes on which a job of the shape can start first; nodes that are held for another shape do not count. Nothing if
// there are too few that ever could.
std::optional<Reservation> find_reservation(const State& state, Rooms& rooms, WaitList& waits,
                                            ShapeId shape, Time now);

// What nodes of that kind are to the shape.
const Match& match_of(WaitList& waits, const Rooms& rooms, ShapeId shape, uint32_t kind);

}  // namespace devrun::controller
