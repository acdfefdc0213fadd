// What the policy allows a user's and a pool's jobs: the predicates, one each, for the schedule, for `explain` and for
// submissions alike. Pure.
#pragma once

#include <string>

#include "controller/core/state.h"

namespace devrun::controller {

const Limits& limits_of_user(const Policy& policy, const std::string& user);
const Limits* limits_of_pool(const Policy& policy, const std::string& pool);
// Which limit keeps another task of the job from being placed, in words; empty: none.
std::string limit_reached(const Limits& limits, const Account* account, const JobSpec& spec);
// Whether the limit is below what it needs by itself.
bool is_above(const Limits& limits, const JobSpec& spec);
// kExhausted: as many of the user's or for the pool wait as may at once.
Status check_waiting(const State& state, const JobSpec& spec);

}  // namespace devrun::controller
