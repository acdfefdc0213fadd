// What is free on each node, indexed so that the node that fits best is found without looking at all. Kept in step with the
// state by `refresh`: a room is a function of the ledger, of who is connected, and of what a reservation keeps there.
//
// Best is: of the nodes that fit, one with the fewest free GPUs, and of these one with the fewest free cores. So small jobs
// fill up what is begun, jobs without GPUs go where none is free, and whole nodes stay whole.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "controller/core/ledger.h"
#include "controller/core/policy.h"
#include "controller/core/shape.h"

namespace devrun::controller {

struct State;

using NodeId = uint32_t;   // of rooms, from 0; a node keeps it for good
using ShapeId = uint32_t;  // of waiting shapes

inline constexpr Time kNever{INT64_MAX};

// A part of a node is kept for a shape that waits (reservation.h).
struct Hold {
  ShapeId shape = 0;
  Time from = kNever;  // when it is needed, as far as can be told
  bool operator==(const Hold&) const = default;
};

struct Room {
  std::string name;
  uint32_t kind = 0;
  bool usable = false;  // connected, and nothing speaks against it
  Time leaves = {};     // by itself; 0: nobody says
  Resources total;
  Resources free;  // gpus: how many wholly; extras too
  GpuMask gpus_free;
  GpuMask gpus_well;  // that are not set aside, free or not
  // Those of them of which somebody has a share: how much is left, in thousandths, by position.
  std::vector<std::pair<size_t, int32_t>> gpu_shares;
  uint32_t attempts = 0;
  std::optional<Hold> hold;
  // Of `total`, what is neither for the holder of `hold` nor taken by what will still run when it starts.
  Resources beside;
};

// Why a GPU takes nothing though its node does: its own trouble, or others' programs on it; empty: it is well.
std::string why_set_aside(const Policy& policy, const Gpu& gpu);
// Of the GPUs that the shape's jobs may have and of which somebody has a share: the one with the least left that is enough.
std::optional<size_t> shared_gpu(const Room& room, const Resources& need, const Match& match);

// Why a node takes nothing; empty: it does. Times at which that may change by itself go to `again`.
std::string why_unusable(const State& state, const std::string& name, Time now, Time* again);
// When what lives on the node ends by its time limit: of each attempt with resources, kNever if nothing says.
struct Freeing {
  Time at;  // as its time limit has it; may be past
  int64_t cpu_milli = 0;
  int64_t memory_bytes = 0;
  int32_t gpus = 0;
  bool operator==(const Freeing&) const = default;
};
std::vector<Freeing> freeings_on(const State& state, const std::string& name);
// When that is to be expected: what is overdue ends soon, though perhaps after what is not.
Time expected(const Freeing& freeing, Time now);

class Rooms {
 public:
  void refresh(const State& state, const std::string& name, Time now);
  // The node must be known.
  void set_hold(const State& state, NodeId node, std::optional<Hold> hold, const Resources& kept,
                Time now);

  // In the order of their ends.
  const std::vector<Freeing>& freeings(const State& state, NodeId node);

  std::optional<NodeId> find(const std::string& name) const;
  const Room& at(NodeId node) const { return rooms_[node]; }
  size_t size() const { return rooms_.size(); }
  const NodeKind& kind(uint32_t kind) const { return kinds_[kind]; }
  size_t kinds() const { return kinds_.size(); }

  // Whether a job of that shape could start there now.
  static bool fits(const Room& room, ShapeId id, const Shape& shape, const Match& match, Time now);

  // Usable nodes of the kind in the order of best fit, from the first that has GPUs and cores enough on;
  // until `visit` says false.
  template <typename Visit>
  void each_by_fit(uint32_t kind, const Resources& need, Visit visit) const {
    const Order& order = orders_[kind];
    const int32_t whole_gpus = need.gpu_milli != 0 ? 0 : need.gpus;
    for (auto of = order.lower_bound(whole_gpus); of != order.end(); ++of) {
      for (auto it = of->second.lower_bound({need.cpu_milli, 0}); it != of->second.end(); ++it) {
        if (!visit(it->second)) return;
      }
    }
  }

 private:
  using Order = std::map<int32_t, std::set<std::pair<int64_t, NodeId>>>;  // free GPUs, free cores

  uint32_t kind_of(const NodeHello& hello);
  void file(NodeId node, bool in);
  void find_beside(const State& state, NodeId node, Time now);

  std::vector<Room> rooms_;
  std::map<std::string, NodeId> ids_;
  std::vector<NodeKind> kinds_;
  std::map<std::string, uint32_t> kind_ids_;
  std::vector<Order> orders_;                                  // by kind
  std::map<NodeId, Resources> kept_;                           // for holders
  std::vector<std::optional<std::vector<Freeing>>> freeings_;  // by node, where they were asked for
};

}  // namespace devrun::controller
