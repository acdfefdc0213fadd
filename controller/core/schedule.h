// Which waiting task starts now, and where: kept up to date event by event, so that a decision costs what has changed and
// not what waits.
//
// All of it follows from the ledger and from who is connected, and could be made anew at any time (`begin`; schedule_check.cc
// compares). It is told what changed (note, node_changed), looks at that again when it is next asked, and then knows:
//   - the tasks that could be placed, in order, by shape (wait_list.h); the others by what they wait for;
//   - what is free on each node (rooms.h), and what of it is kept (reservation.h);
//   - which shapes have no room: nobody looks for any again until a node has changed that could take them.
//
// `next` takes the first open shape's first job. Is its user or its pool at a limit, it is stopped until something of
// theirs ends. Are there too few nodes, the shape is closed, and nodes are reserved for it if it is among the first.
//
// Surprises: a shape that is closed, or was, knows exactly on which nodes a task of it could start (`fitting`, fewer than
// it needs, or few); that set is kept by each change of a node, and the shape opens when it is large enough.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "controller/core/account.h"
#include "controller/core/deadlines.h"
#include "controller/core/event.h"
#include "controller/core/reservation.h"

namespace devrun::controller {

// Jobs that could not be started on a node, one after the other, since the last one that could. A restart forgets them.
struct FailedStarts {
  std::set<JobId> jobs;  // the first few
  Time last;
  std::string reason;  // of the last
};

struct Placement {
  TaskKey task;
  uint32_t attempt = 1;
  std::vector<std::string> nodes;                // by rank
  std::vector<std::vector<uint32_t>> gpus = {};  // by rank, by index; empty: none asked for
};

class Schedule {
 public:
  // Everything anew, but for the failed starts of nodes.
  void begin(const State& state, Time now);
  // After the event was applied to the ledger.
  void note(const State& state, const Event& event);
  // After a change of the node's presence.
  void node_changed(const std::string& node) { changed_nodes_.insert(node); }
  // One that the ledger had not and has now, or has judged anew.
  void job_changed(JobId job) { changed_jobs_.insert(job); }
  // The latest `now` that it was asked with. What comes with an earlier one, since somebody has set the clock, is to be
  // preceded by `begin`: who was out of a pause may be in it again.
  Time as_of() const { return as_of_; }
  // Once a second: the order by what users have used, and one reservation, looked at again.
  void tick(const State& state, Time now);

  // The first placement that is possible; the caller makes it an event before it asks again.
  std::optional<Placement> next(const State& state, Time now);
  // The trees that must be made before what waits can be placed, and are not being made; each once.
  std::vector<Deriving> take_roots_wanted();
  // What of that which runs is at its time limit, or at the signal before it; each once.
  std::vector<AttemptKey> take_due(Time now) { return deadlines_.take_due(now); }

  // ── for people and checks ──
  // Jobs that could be placed and have alternatives, and those of them that are new here; each once.
  const std::set<JobId>& choosers() const { return choosers_; }
  std::vector<JobId> take_new_choosers() { return std::exchange(new_choosers_, {}); }
  const WaitList& waits() const { return waits_; }
  const Rooms& rooms() const { return rooms_; }
  const Reservation* reservation_for(JobId job) const;
  const std::map<ShapeId, Reservation>& reservations() const { return reservations_; }
  const Account* account_of_user(const std::string& user) const;
  const Account* account_of_pool(const std::string& pool) const;
  // None: nullptr.
  const FailedStarts* failed_starts(const std::string& node) const;
  const std::map<std::string, Account>& users() const { return users_; }
  Duration lag_of(const std::string& user) const;

 private:
  void refresh(const State& state, Time now);
  void refresh_job(const State& state, JobId job, Time now);
  void refresh_node(const State& state, const std::string& name, Time now);
  void count_waiting(const Job* job, JobId id);
  bool is_eligible(const State& state, const Job& job, Time now);
  void wait_for_roots(const State& state, const Job& job);
  void node_moved(NodeId node, Time now);
  void begin_knowing(ShapeId shape, const std::vector<NodeId>& fitting);
  void end_knowing(ShapeId shape);
  void shape_is_gone(const State& state, ShapeId shape, Time now);
  UserId user_id(const std::string& user);

  std::optional<std::vector<NodeId>> find_nodes(ShapeId shape, const std::string& volume, Time now);
  std::vector<NodeId> best_of(ShapeId shape, Time now);
  void prefer_warm(std::vector<NodeId>& found, ShapeId shape, const std::string& volume, Time now);
  bool fits(NodeId node, ShapeId shape, Time now);
  void close(const State& state, ShapeId shape, Time now);
  void reserve_for_first(const State& state, Time now);
  void reserve(const State& state, ShapeId shape, Time now);
  void put_reservation(const State& state, Reservation reservation, Time now);
  void drop_reservation(const State& state, ShapeId shape, Time now);
  bool take_from_later(const State& state, ShapeId shape, Time now);
  void keep_again(const State& state, Time now);
  Placement placement(const State& state, JobId job, ShapeId shape,
                      const std::vector<NodeId>& nodes, Time now);

  void account_placed(const State& state, TaskKey task, Time at);
  void account_over(const State& state, TaskKey task, Time at);
  void count_start(const AttemptReported& report, Time at);
  void remember_warm(const std::string& volume, const std::vector<std::string>& nodes);

  WaitList waits_;
  Rooms rooms_;
  std::map<ShapeId, Reservation> reservations_;
  // Shapes whose `fitting` is known, in order; side by side, since each change of a node goes through all of them.
  struct Knowing {
    ShapeId shape = 0;
    uint32_t fitting = 0;  // how many
    int32_t gpus = 0;      // the need, of wholly free ones
    int64_t cpu_milli = 0;
    int64_t memory_bytes = 0;
  };
  std::vector<Knowing> knowing_;

  std::set<JobId> choosers_;
  std::vector<JobId> new_choosers_;
  std::set<JobId> changed_jobs_;
  std::set<std::string> changed_nodes_;
  std::set<std::pair<Time, JobId>> job_timers_;  // pauses between attempts
  std::map<std::string, Time> node_timers_;      // nodes that are set aside
  std::vector<Deriving> roots_wanted_;

  std::map<std::string, Account> users_;
  std::map<std::string, Account> pools_;
  struct Running {
    std::string user, pool;
    double weight = 0;
    int64_t gpus = 0;
    int64_t cpu_milli = 0;
    bool counts = true;  // a dev container is no task that a limit is about
  };
  std::map<TaskKey, Running> running_;
  std::map<JobId, std::pair<std::string, std::string>> counted_waiting_;  // user and pool
  std::map<std::string, UserId> user_ids_;
  std::map<std::string, FailedStarts> failed_starts_;  // by node
  std::map<std::string, std::vector<NodeId>> warm_;    // by volume: where it ran last, newest first
  Deadlines deadlines_;
  Time as_of_;
  std::set<ShapeId> gave_way_;  // whose nodes somebody ahead of them takes
  ShapeId looked_at_ = 0;       // the reservation that the last tick looked at
};

// ── the predicates, one each, for the schedule and for `explain` alike ──
// The first job that this one waits for, in the order of its lists; nullptr if it waits for none.
const Job* first_unmet(const Ledger& ledger, const Job& job);
bool at_array_limit(const Job& job);
// The task to place next that is not in a pause and whose tree is there.
std::optional<int32_t> next_placeable(const Job& job, Time now);
}  // namespace devrun::controller
