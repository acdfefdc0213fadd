// The controller of a command's surroundings, and the words that name jobs.
#pragma once

#include <memory>

#include "cli/client/controller.h"
#include "cli/commands/command.h"

namespace devrun::cli {

// Nothing is dialled before the first call.
Result<std::unique_ptr<Controller>> controller_of(const Context& context);

// Exactly one word, a job: `42`, `42_3`, `42.1`.
Result<AttemptKey> one_job(const Arguments& arguments);
// One or more.
Result<std::vector<AttemptKey>> some_jobs(const Arguments& arguments);
// The job's rank as --rank or the word itself (`42.1`) chooses it; nothing: all ranks.
Result<std::optional<uint32_t>> chosen_rank(const Arguments& arguments, const AttemptKey& key);
// That the attempt is there, if the word names one that is not the first (`42#2`), and so is the rank (`42.1`).
Status check_attempt(const JobRecord& job, const AttemptKey& key);
Status no_words(const Arguments& arguments);

Time wall_clock();

// --tail: a whole number from 0.
Result<size_t> line_count(const std::string& text);
// --since: a span before now (`10m`), or a time in UTC (`2026-11-21`, `2026-11-21T08:00:30Z`, `08:00`: the last such).
Result<Time> since_when(const std::string& text);

// --help, which every command has.
inline constexpr Option kRankOption{.name = "rank",
                                    .value = "R",
                                    .meaning = "only this rank's output, without prefix",
                                    .fallback = "all ranks",
                                    .example = "--rank 3"};
inline constexpr Option kHelpOption{.letter = 'h',
                                    .name = "help",
                                    .value = {},
                                    .meaning = "this text",
                                    .fallback = {},
                                    .example = {}};

}  // namespace devrun::cli
