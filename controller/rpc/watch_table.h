// The rows that watchers are shown, each encoded once for all of them and numbered by its last change. Whoever has read up to
// a number gets what is numbered higher, so that nothing is queued for anybody: a slow reader finds the newest state of each
// row. What has gone is remembered for a while; who comes later than that is told everything again.
//
//   state ──job_changed, node_changed──▶ dirty ──refresh──▶ rows by number ──fill──▶ updates
//
// Listed: jobs that live or ended within the hour, the newest kWatchRowsMax; all nodes. What changes with time alone (why a job
// waits, how long a node is silent) is looked at in turns, some rows each second. Core's thread.
#pragma once

#include <deque>
#include <map>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "controller/core/explain.h"
#include "controller/rpc/identity.h"
#include "devrun/v1/monitor.pb.h"

namespace devrun::controller {

namespace pb = devrun::v1;

inline constexpr size_t kWatchRowsMax = 20'000;
inline constexpr size_t kWatchGoneMax = 20'000;
inline constexpr size_t kWatchUpdateBytesMax = 8 << 20;  // about: the rest comes with the next
inline constexpr size_t kRefreshedAtOnceMax = 2'000;     // rows, so that the core is not held up
inline constexpr size_t kLookedAtEachTick = 256;

class WatchTable {
 public:
  // `epoch`: of this life of the controller, never used again.
  explicit WatchTable(std::string epoch) : epoch_(std::move(epoch)) {}

  void job_changed(JobId job) { dirty_jobs_.insert(job); }
  // Makes rows of what has changed. False if it was more than can be done at once: to be called again.
  bool refresh(const State& state, Time now);
  // Once a second; `watched`: somebody will see it.
  void tick(const State& state, Time now, bool watched);

  // Where a watcher stands: 0 is the beginning. Unknown numbers and epochs begin anew.
  struct Place {
    uint64_t sequence = 0;
    bool whole = true;    // the next update begins with everything
    bool behind = false;  // there is more than the last update could hold
  };
  Place place_of(const std::string& epoch, uint64_t sequence) const;
  // What is newer than the place, which moves on. False if that is nothing.
  bool fill(const Who& who, bool all, Place& place, pb::WatchUpdate& update) const;
  bool may_see(const Who& who, bool all, JobId job) const;

 private:
  struct JobRow {
    std::string bytes;
    uint64_t sequence = 0;
    std::string user;
    std::string volume;
    uint32_t uid = 0;
    bool live = true;
  };
  struct NodeRow {
    std::string bytes;
    uint64_t sequence = 0;
    bool silent = false;
  };
  using Name = std::variant<JobId, std::string>;

  void begin(const State& state);
  void refresh_job(const State& state, JobId id, Time now, Explained& known);
  void refresh_node(const State& state, const std::string& name, Time now);
  void remove_job(JobId id);
  void remove_node(const std::string& name);
  void number(uint64_t& sequence, const Name& name);
  void note_gone(Name name);
  void make_room();
  void forget_ended(Time now);
  void look_at_nodes(const State& state, Time now);
  void look_at_some_jobs(const State& state);
  static bool may_see(const Who& who, bool all, const JobRow& row);

  const std::string epoch_;
  bool begun_ = false;
  std::map<JobId, JobRow> jobs_;
  std::map<std::string, NodeRow> nodes_;
  std::map<uint64_t, Name> by_sequence_;
  std::deque<std::pair<uint64_t, Name>> gone_;
  uint64_t forgotten_ = 0;  // what has gone up to here is not known any more
  uint64_t sequence_ = 0;
  std::set<JobId> dirty_jobs_;
  std::set<std::string> dirty_nodes_;
  std::set<std::pair<Time, JobId>> ended_;
  JobId looked_up_to_ = 0;
  std::string looked_up_to_node_;
};

// A job's row as it is pushed: see WatchUpdate.
std::string watch_row(const State& state, const Job& job, Time now, Explained& known);

}  // namespace devrun::controller
