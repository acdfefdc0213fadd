// The tasks that could be placed if there were room, in order, by shape.
//
// A job's place in the order is a time: when it was submitted, earlier by Policy.priority_step for each step of priority,
// later by its user's lag (fair_share.h). So waiting longer moves a job forward by itself, priority and fair share are
// said in hours, and among equals the first is first. Of one user the order never changes; a user whose lag changes moves
// as a whole. Private to controller/core.
//
//   shape ─┬─ user a: jobs by their own time      heads: each user's first job, by time and lag
//          └─ user b: …                           ready: each open shape's first head
#pragma once

#include <compare>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "controller/core/policy.h"
#include "controller/core/rooms.h"

namespace devrun::controller {

using UserId = uint32_t;

struct WaitKey {
  int64_t at_us = 0;
  JobId job = 0;
  auto operator<=>(const WaitKey&) const = default;
};
// When the controller had its request; of jobs of older journals: when they were written down.
Time submitted_at(const Job& job);
// Without its user's lag.
WaitKey wait_key(const Job& job, const Policy& policy);

struct ShapeQueue {
  Shape shape;
  std::map<UserId, std::set<WaitKey>> of_user;
  std::set<std::pair<WaitKey, UserId>> heads;  // of users that are not stopped; with their lag
  std::set<UserId> stopped;                    // by a limit of theirs
  bool open = true;                            // may find room
  bool stopped_by_pool = false;                // a limit of its pool
  // Whether `fitting` is exactly the nodes on which a task of the shape could start; kept so while it is few.
  bool known = false;
  std::set<NodeId> fitting;
  std::vector<std::optional<Match>> matches;  // by kind of node
  std::optional<WaitKey> ready;               // as filed in WaitList's ready
  Time served;                                // when a job of it was placed last
};

class WaitList {
 public:
  void put(const Job& job, UserId user, WaitKey key);
  // Returns the shape if it was the last one of it that waited: the shape is no more.
  std::optional<ShapeId> remove(JobId job);
  bool has(JobId job) const { return jobs_.count(job) != 0; }
  ShapeId shape_of_job(JobId job) const { return jobs_.at(job).shape; }

  // The first open shape by its first job.
  std::optional<ShapeId> first() const;
  // Its first job and whose it is. There must be one.
  std::pair<WaitKey, UserId> head(ShapeId shape) const;
  void set_open(ShapeId shape, bool open);
  void stop_user(ShapeId shape, UserId user);
  void stop_by_pool(ShapeId shape);
  // Limits may hold no more: everything of that user, or of that pool, is looked at again.
  void resume_user(UserId user);
  void resume_pool(const std::string& pool);
  void set_lag(UserId user, Duration lag);
  Duration lag(UserId user) const;

  ShapeQueue& at(ShapeId shape) { return *shapes_[shape]; }
  const ShapeQueue& at(ShapeId shape) const { return *shapes_[shape]; }
  // Of shapes that wait.
  const std::set<ShapeId>& shapes() const { return live_; }
  const std::unordered_map<std::string, ShapeId>& by_key() const { return by_key_; }
  size_t size() const { return jobs_.size(); }
  // From 1; 0 if it is not here. Looks at every job: for people only.
  size_t place_of(JobId job) const;
  // The first so many, in order. Looks at every job, too.
  std::vector<JobId> first_in_order(size_t jobs_max) const;
  // How many are before one with that key, of a user with that lag.
  size_t before(WaitKey key, Duration lag) const;

 private:
  struct Waiting {
    ShapeId shape = 0;
    UserId user = 0;
    WaitKey key;
  };

  ShapeId shape_for(const JobSpec& spec);
  WaitKey with_lag(WaitKey key, UserId user) const;
  void unlist_head(ShapeQueue& queue, UserId user);
  void list_head(ShapeQueue& queue, UserId user);
  void file(ShapeId shape);

  std::unordered_map<JobId, Waiting> jobs_;
  std::vector<std::optional<ShapeQueue>> shapes_;
  std::set<ShapeId> live_;
  std::vector<ShapeId> unused_;
  std::unordered_map<std::string, ShapeId> by_key_;
  std::set<std::pair<WaitKey, ShapeId>> ready_;
  std::vector<Duration> lags_;              // by user
  std::vector<std::set<ShapeId>> of_user_;  // shapes in which a user has jobs
};

}  // namespace devrun::controller
