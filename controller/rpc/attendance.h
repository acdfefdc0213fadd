// Who is attached to the jobs that are to be cancelled when nobody is (JobSpec::cancel_on_disconnect). Nothing of it is
// kept over a restart: then everybody is away, and the time counts from the start of this controller, in which callers
// come back.
#pragma once

#include <map>
#include <mutex>
#include <vector>

#include "controller/core/state.h"

namespace devrun::controller {

// Less than this is not counted as having left: a connection that breaks is made anew meanwhile.
inline constexpr Duration kDisconnectGraceMin = seconds(15);

class Attendance {
 public:
  // Any thread. Every call of `came` is followed by one of `left`.
  void came(JobId job);
  void left(JobId job, Time now);
  // Jobs whose time is over. Called once a second by the thread that has the state.
  std::vector<JobId> abandoned(const State& state, Time now);

 private:
  std::mutex mutex_;
  std::map<JobId, uint32_t> attached_;
  std::map<JobId, Time> left_at_;
  // The state's thread only.
  JobId looked_at_ = 0;        // jobs up to here are known
  std::map<JobId, Time> due_;  // live jobs of this kind: when they were first seen
};

}  // namespace devrun::controller
