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
Status no_words(const Arguments& arguments);

Time wall_clock();

// --help, which every command has.
inline constexpr Option kHelpOption{.letter = 'h',
                                    .name = "help",
                                    .value = {},
                                    .meaning = "this text",
                                    .fallback = {},
                                    .example = {}};

}  // namespace devrun::cli
