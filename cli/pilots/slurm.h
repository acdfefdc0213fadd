// Slurm, by its commands: each is given a minute, and its own words are what an administrator reads when it refuses.
// Blocking.
#pragma once

#include <string>
#include <vector>

#include "cli/pilots/decide.h"
#include "cli/pilots/policy.h"
#include "common/base/result.h"

namespace devrun::pilots {

class Slurm {
 public:
  // A copy: policies are read anew only by a restart.
  explicit Slurm(Policy policy) : policy_(std::move(policy)) {}

  Result<std::vector<Pilot>> pilots() const;
  // Returns Slurm's number for it.
  Result<uint64_t> submit(const Kind& kind, const std::string& name) const;
  Status cancel(uint64_t job) const;
  // Hands `secret` to the pilot: by a step of its own allocation, on that one's stdin. kConflict: it has had one before.
  Status hand_over(uint64_t job, const std::string& secret) const;

 private:
  Result<std::string> run(const std::string& program, const std::vector<std::string>& words,
                          const std::string& input) const;

  const Policy policy_;
};

}  // namespace devrun::pilots
