// Ended jobs leave the ledger for the history (journal/history.h), where they remain to be asked for:
//
//   ended ──long enough ago, or too many──▶ the shell makes its record durable in the history
//         ──Archived──▶ JobArchived: the ledger forgets it, the journal deletes its events
//         ──asked for: Recall──▶ recalled, beside the ledger, until others crowd it out
//
// A crash between the second and the third leaves the job in both: the ledger's is the one that counts, and the record
// is written again, the same. What has its outcome never changes, so a record is as good as the job.
#pragma once

#include <vector>

#include "controller/core/event.h"
#include "controller/core/input.h"
#include "controller/core/state.h"

namespace devrun::controller {

// The jobs that should go now, those that ended first in front; at most so many tasks together, but one job at least.
// Those stay of which a node still keeps an attempt, or for which somebody waits.
std::vector<JobId> jobs_to_archive(const State& state, Time now, size_t tasks_max);

// Jobs that an input names and that are neither in the ledger nor recalled, but may be in the history: to be recalled
// before it is stepped.
std::vector<JobId> absent_jobs(const State& state, const Input& input);
// Of these.
std::vector<JobId> absent_jobs(const State& state, const std::vector<JobId>& jobs);
// For which jobs wait that are in the ledger: to be recalled after a replay, before anything else.
std::vector<JobId> absent_dependencies(const Ledger& ledger);

// What a journal must keep once the job's events are gone.
void carry(Carried& carried, const JobArchived& event);

}  // namespace devrun::controller
