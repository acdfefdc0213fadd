// `devrun changes`, `devrun apply` and `devrun undo`: what jobs wrote, and what becomes of it.
#include <fmt/format.h>

#include "cli/client/caller.h"
#include "cli/client/terminal.h"
#include "cli/commands/connect.h"
#include "cli/commands/progress_words.h"
#include "cli/output/changes_output.h"

namespace devrun::cli {

namespace {

constexpr Option kChangesOptions[] = {
    {.name = "json", .meaning = "one JSON record a line", .example = "--json"},
    kHelpOption,
};
constexpr Option kApplyOptions[] = {
    {.name = "beside",
     .meaning = "what is in the way stays, and the job's is written beside it as NAME.devrun-JOB",
     .example = "--beside"},
    {.name = "over",
     .meaning = "what is in the way is overwritten; a snapshot that keeps it is taken first",
     .example = "--over"},
    {.name = "json", .meaning = "what was done, as one JSON record"},
    {.letter = 'q', .name = "quiet", .meaning = "no words but errors"},
    kHelpOption,
};
constexpr Option kUndoOptions[] = {
    {.name = "json", .meaning = "what was done, as one JSON record"},
    {.letter = 'q', .name = "quiet", .meaning = "no words but errors"},
    kHelpOption,
};
constexpr Example kChangesExamples[] = {
    {"devrun changes 42", "all that job 42 has written, also while it runs"},
    {"devrun changes 42 /usr", "only there"},
    {"devrun changes 42#1", "what its first attempt wrote"}};
constexpr Example kApplyExamples[] = {
    {"devrun apply 42", "all that did not come home by itself: what pip installed, say"},
    {"devrun apply 42 /root/proj/.git", "only that"},
    {"devrun apply --beside 42 train.py", "to compare it with the volume's own"}};
constexpr Example kUndoExamples[] = {
    {"devrun undo 42", "as if job 42 had not run, but for what was changed since"}};

struct JobAndPaths {
  JobPart of;
  std::vector<std::string> paths;
};

Result<JobAndPaths> job_and_paths(const Arguments& arguments) {
  if (arguments.words.empty()) {
    return Error{Code::kInvalid, "which job? Expected its number", {}};
  }
  JobAndPaths out{TRY(parse_job_part(arguments.words[0])), {}};
  std::vector<std::string> paths(arguments.words.begin() + 1, arguments.words.end());
  paths.insert(paths.end(), arguments.program.begin(), arguments.program.end());
  for (const std::string& path : paths) out.paths.push_back(TRY(absolute_path(path)));
  return out;
}

std::string attempt_word(const AttemptKey& key) {
  const std::string task = to_string(key.task_key());
  return fmt::format("{}.{}#{}", task, key.rank, key.attempt);
}

// Of one change set nothing needs to be told apart.
Result<bool> has_several(Controller& controller, const JobAndPaths& what) {
  const JobRecord job = TRY(controller.get_job(what.of.job));
  size_t sets = 0;
  for (const AttemptRecord& attempt : job.attempts) {
    const AttemptKey& key = attempt.key;
    const bool meant = (!what.of.task || *what.of.task == key.task) &&
                       (!what.of.rank || *what.of.rank == key.rank) &&
                       (!what.of.attempt || *what.of.attempt == key.attempt);
    sets += meant ? 1 : 0;
  }
  return sets > 1;
}

Result<int> changes(const JobAndPaths& what, bool json, Context& context) {
  const auto controller = TRY(controller_of(context));
  const bool several = !json && TRY(has_several(*controller, what));
  std::vector<ChangeSetRecord> sets;
  uint64_t told = 0;
  TRY(controller->list_changes(
      {what.of, what.paths, true},
      [&](const ChangeSetRecord& set) -> Status {
        sets.push_back(set);
        return ok();
      },
      [&](const JobChangeRecord& change) -> Status {
        ++told;
        const AttemptKey& key = sets.back().key;
        return context.console.data(
            json ? job_change_json(change, key)
                 : job_change_line(change, several ? attempt_word(key) : std::string()));
      }));
  const std::string job = to_string(what.of);
  if (told == 0) {
    const bool is_all = !sets.empty() && what.paths.empty() &&
                        std::ranges::all_of(sets, &ChangeSetRecord::complete);
    context.console.say(is_all ? fmt::format("job {} wrote nothing", job)
                               : fmt::format("nothing that job {} wrote is in the store", job),
                        fmt::format("devrun show {}", what.of.job));
  }
  for (const ChangeSetRecord& set : sets) {
    if (set.complete) continue;
    const std::string name = several ? attempt_word(set.key) : job;
    context.console.say(set.runs ? fmt::format("job {} still runs: more may come", name)
                                 : fmt::format("not all that job {} wrote has come", name),
                        set.runs ? "" : fmt::format("devrun apply {}, which asks its node", job));
    break;
  }
  return 0;
}

// The status says whether all that was asked for was done.
Result<int> finish(const std::vector<TakenRecord>& taken, Take how, const std::string& job,
                   bool quiet, bool json, const Context& context) {
  if (json) TRY(context.console.data(taken_json(taken)));
  if (!quiet) {
    for (const Words& words : taken_words(taken, how, job)) {
      context.console.say(words.message, words.hint);
    }
  }
  return left_in_the_way(taken, how) == 0 ? 0 : kStatusIncomplete;
}

Result<int> apply(const TakeWish& wish, bool quiet, bool json, Context& context) {
  const auto controller = TRY(controller_of(context));
  std::vector<TakenRecord> taken;
  {
    Progress progress(context.console, quiet, is_terminal(context.console.err()));
    taken = TRY(controller->take_changes(wish, shown_by(progress)));
  }
  const Take how = wish.beside ? Take::kBeside : wish.over ? Take::kOver : Take::kIn;
  return finish(taken, how, to_string(wish.of), quiet, json, context);
}

Result<int> undo(const JobPart& of, bool quiet, bool json, Context& context) {
  const auto controller = TRY(controller_of(context));
  std::vector<TakenRecord> taken;
  {
    Progress progress(context.console, quiet, is_terminal(context.console.err()));
    taken = TRY(controller->undo_changes(of, shown_by(progress)));
  }
  return finish(taken, Take::kOut, to_string(of), quiet, json, context);
}

Result<Action> parse_changes(const Arguments& arguments) {
  const JobAndPaths what = TRY(job_and_paths(arguments));
  const bool json = arguments.has("json");
  return Action([=](Context& context) { return changes(what, json, context); });
}

Result<Action> parse_apply(const Arguments& arguments) {
  const JobAndPaths what = TRY(job_and_paths(arguments));
  const TakeWish wish{what.of, what.paths, arguments.has("beside"), arguments.has("over")};
  if (wish.beside && wish.over) {
    return Error{
        Code::kInvalid, "--beside and --over do not go together: keep what is there, or not?", {}};
  }
  const bool quiet = arguments.has("quiet");
  const bool json = arguments.has("json");
  return Action([=](Context& context) { return apply(wish, quiet, json, context); });
}

Result<Action> parse_undo(const Arguments& arguments) {
  if (arguments.words.size() != 1 || arguments.has_dashes) {
    return Error{Code::kInvalid, "expected one job", {}};
  }
  const JobPart of = TRY(parse_job_part(arguments.words[0]));
  const bool quiet = arguments.has("quiet");
  const bool json = arguments.has("json");
  return Action([=](Context& context) { return undo(of, quiet, json, context); });
}

}  // namespace

Command changes_command() {
  return {
      {.name = "changes",
       .usage = {"changes [--json] JOB[#ATTEMPT] [PATH…]"},
       .purpose = "what a job wrote, and what became of it",
       .text =
           "A line each: A added, M modified, D deleted; the size; home: it is in the volume, or "
           "was when it came;\n"
           "kept: it stays in the change set, as all does that is not below a home path (devrun "
           "volume paths);\n"
           "conflict: likewise, since the volume's was changed too. Of an array or several nodes "
           "each task's and\n"
           "rank's in turn; 39_3 or 42.1 chooses one.",
       .options = kChangesOptions,
       .examples = kChangesExamples},
      parse_changes};
}

Command apply_command() {
  return {
      {.name = "apply",
       .usage = {"apply [--beside|--over] [-q] [--json] JOB[#ATTEMPT] [PATH…]"},
       .purpose = "take what a job wrote into the volume",
       .text =
           "All that is kept or in conflict, or only PATHs and what is below them. What was "
           "changed in the volume\n"
           "since is left as it is unless --beside or --over says otherwise; the status is then "
           "123. Change sets of\n"
           "several tasks or ranks are taken in that order. What could not be stored when the "
           "job ended is asked for\n"
           "again. Can be repeated.",
       .options = kApplyOptions,
       .examples = kApplyExamples},
      parse_apply};
}

Command undo_command() {
  return {{.name = "undo",
           .usage = {"undo [-q] [--json] JOB[#ATTEMPT]"},
           .purpose = "take what a job wrote out of the volume again",
           .text = "Files are as they were before the job, wherever nobody has changed them since; "
                   "what was changed is left and\n"
                   "named (status 123). The change set stays: devrun apply takes it again.",
           .options = kUndoOptions,
           .examples = kUndoExamples},
          parse_undo};
}

}  // namespace devrun::cli
