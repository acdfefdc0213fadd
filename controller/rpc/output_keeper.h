// What is kept of jobs' output in STORE/jobs, and whose it is. A pass looks at every job's folder there:
//
//   a job that lives, or is in memory      stays
//   one that the history knows             its output goes `keep` after its end; its change set stays
//   one that nobody knows                  all of it, its change set too, goes once it was found so, and nothing in it was
//                                          written, for `keep_unknown`: a file .unknown in it has the first time
//
// So a history that was lost, or went back to a backup, destroys nothing at once, however old it is. What goes is given another name first,
// .going.J, and whatever has such a name goes, so that a pass that was killed is finished by the next. One thread.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <map>
#include <string>
#include <unordered_map>

#include "common/base/result.h"
#include "common/base/time.h"
#include "common/model/ids.h"

namespace devrun::controller {

class OutputKeeper {
 public:
  struct Owner {
    std::string user;
    Time ended;  // 0: it lives, or is in memory
  };
  using Owners = std::unordered_map<JobId, Owner>;

  // `keep` 0: for ever, all of it. Else what nobody knows is kept for as long at least.
  OutputKeeper(std::string jobs_path, Duration keep, Duration keep_unknown)
      : jobs_path_(std::move(jobs_path)),
        keep_(keep),
        keep_unknown_(std::max(keep, keep_unknown)) {}

  struct Passed {
    std::map<std::string, int64_t>
        bytes;             // of output, by user; of jobs that nobody knows, under ""
    uint64_t removed = 0;  // jobs whose output went
  };
  // `owners`: all that there are of numbers below `next`. kCancelled once `stop`.
  Result<Passed> pass(const Owners& owners, JobId next, Time now, const std::atomic<bool>& stop);

 private:
  // When it was first found that nobody knows the job: now, if that is new.
  Result<Time> unknown_since(const std::string& job, Time now) const;
  Status finish_going();
  Status remove_job(const std::string& job);
  Status remove_output(const std::string& job);

  const std::string jobs_path_;
  const Duration keep_;
  const Duration keep_unknown_;
  std::unordered_map<JobId, int64_t> bytes_;  // of jobs in the history, which do not change
};

}  // namespace devrun::controller
