// What an operator may choose of the controller's decisions (controller/rpc/flags.cc, policy_file.h). Plain values.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "common/base/time.h"

namespace devrun::controller {

// Of one user, or of all jobs that ask for one pool. 0: none.
struct Limits {
  uint32_t running = 0;   // tasks at once
  uint32_t waiting = 0;   // jobs; a submission beyond that is refused
  uint32_t gpus = 0;      // held at once
  int64_t cpu_milli = 0;  // likewise
  // Of users alone, and not the core's to decide (rpc/quotas.h).
  int64_t store_bytes = 0;
  int64_t output_bytes = 0;
  bool operator==(const Limits&) const = default;
};

// Who has used more than their share waits longer (order.h).
struct FairShare {
  Duration half_life = seconds(7 * 24 * 3600);  // after which use counts half
  // A user who has used nothing lately is ahead of one who has used a lot by at most so long a wait.
  Duration span = seconds(24 * 3600);
  struct Group {
    double share = 1;
    std::vector<std::string> users;
    bool operator==(const Group&) const = default;
  };
  std::map<std::string, double> shares;  // of users; 1 for any other
  std::map<std::string, Group> groups;
  bool operator==(const FairShare&) const = default;
};

struct Policy {
  // Longer than the outage of a controller that jobs are promised to live through.
  Duration lease = seconds(15 * 60);
  // Clocks drift, and a container needs a moment to die.
  Duration lease_margin = seconds(30);
  Duration retry_pause = seconds(1);  // before the second attempt; doubled for each further one
  Duration retry_pause_max = seconds(60);
  // An ended job leaves memory for the history after so long, or when more have ended than so many.
  Duration keep_in_memory = seconds(3600);
  size_t ended_in_memory_max = 10'000;
  // Of those that were read again from there. Such that calls in several steps need stay for a while in any case.
  size_t recalled_max = 1'000;

  // A job of a priority higher by one counts as having waited so much longer.
  Duration priority_step = seconds(24 * 3600);
  FairShare fair_share = {};
  Limits user_limits = {};  // of each user that is not in limits_of_user
  std::map<std::string, Limits> limits_of_user = {};
  std::map<std::string, Limits> limits_of_pool = {};
  // Shapes of waiting jobs (shape.h) for which nodes are kept until they can start.
  uint32_t reservations_max = 4;
  // Where nobody can tell when these nodes will be free, since something without a time limit runs there, smaller jobs pass
  // for so long before nodes are kept.
  Duration reserve_blindly_after = seconds(10 * 60);
  // A node on which so many jobs in a row could not be started is set aside, for so long at first, and longer each time.
  uint32_t aside_after_jobs = 3;
  Duration aside_for = seconds(10 * 60);

  // Of dev containers on the storage host that ask for no other: limits, since nothing is reserved there. 0: none.
  int64_t dev_container_cpu_milli = 0;
  int64_t dev_container_memory_bytes = 0;

  // A GPU that programs use which are not devrun's takes no job.
  bool avoid_gpus_of_others = false;
  // Of a job whose GPUs all do nothing for so long: that is said of it, or it is ended. 0: never.
  Duration idle_gpus_warned = {};
  Duration idle_gpus_ended = {};
};

}  // namespace devrun::controller
