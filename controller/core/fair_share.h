// How far behind a user's jobs stand in the order for what the user has used (account.h). With x, the user's part of all
// use over the user's part of all shares,
//
//   lag = FairShare.span * (1 - 2^-x)
//
// which is Slurm's classic fair-share factor said as a time: who has used nothing has no lag, who has used just their
// share half of the span, who has used all of it nearly the whole. Users in groups have the larger of their own and
// their group's.
#pragma once

#include <map>
#include <string>

#include "controller/core/account.h"
#include "controller/core/policy.h"

namespace devrun::controller {

// By user, of those in `accounts`. Rounded to 1/256 of the span, so that small changes of use move nobody.
std::map<std::string, Duration> lags(const std::map<std::string, Account>& accounts,
                                     const FairShare& policy, Time at);

}  // namespace devrun::controller
