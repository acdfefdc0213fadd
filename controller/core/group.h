// Groups: jobs that begin together. Each is placed by itself and has its setup; then it waits, and once all members
// have come so far, the programs of all may begin, with each other's names in /etc/hosts. A member that fails, or is
// cancelled, ends the others; once all that are not secondary have succeeded, the secondary ones are ended.
//
// What is promised is that they *run* together, not that they are placed in one step: two groups that share too few
// nodes could each wait for the other's, as two users could who hold nodes by hand.
#pragma once

#include <string>
#include <vector>

#include "controller/core/state.h"

namespace devrun::controller {

struct Turn;

// `id` is the job's own.
JobId group_leader(const JobSpec& spec, JobId id);

// On every rank, and of all members: the programs proper may begin. Once they have, that stays so.
bool may_go(const State& state, const Job& job, const Task& task);

// "ADDRESS NAME" of all ranks of all members; empty of a job in no group.
std::vector<std::string> group_hosts(const State& state, const Job& job);

// How many of its group are there and ready, in words; empty: nothing is waited for.
std::string say_group_wait(const State& state, const Job& job, const Task& task);

// Refuses what cannot become a member.
Status check_member(const State& state, const JobSpec& spec);

// A rank's setup is done: it may have been the last of the group.
void member_is_ready(Turn& turn, JobId job);
// After the job's outcome.
void member_ended(Turn& turn, JobId job);

}  // namespace devrun::controller
