// Which jobs somebody asks for; the same of those in the ledger (`matches`) and in the history.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/base/time.h"
#include "common/model/ids.h"
#include "common/model/job.h"

namespace devrun::controller {

struct LabelFilter {
  std::string key;
  std::optional<std::string> value;  // none: whatever it is
  bool operator==(const LabelFilter&) const = default;
};

// All that is named must hold; what is empty or 0 does not count.
struct JobFilter {
  std::string user;
  std::vector<JobState> states;  // one of these
  std::string name;              // a pattern of * ? [abc]
  std::vector<LabelFilter> labels;
  std::optional<int32_t> status;  // of its end
  bool failed = false;            // ended with any other than 0
  Time since;                     // lived then or later
  Time until;                     // was submitted by then
  JobId before = 0;               // has a lower number
};

// `labels` of it, and so on, as the job has them now; `ended` is none of one that lives.
struct JobFacts {
  JobId job = 0;
  const JobSpec* spec = nullptr;
  JobState state = JobState::kQueued;
  std::optional<int32_t> status;
  Time submitted;
  std::optional<Time> ended;
};
bool matches(const JobFilter& filter, const JobFacts& facts);

}  // namespace devrun::controller
