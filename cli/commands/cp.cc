// `devrun cp`: files out of a job that runs.
#include <fmt/format.h>

#include "cli/commands/attached_run.h"
#include "cli/commands/connect.h"
#include "cli/commands/inner_session.h"
#include "cli/output/job_text.h"
#include "cli/transfer/file_stream.h"
#include "common/base/units.h"

namespace devrun::cli {

namespace {

constexpr Option kOptions[] = {
    {.name = "rank",
     .value = "R",
     .meaning = "from this rank",
     .fallback = "0",
     .example = "--rank 3"},
    {.letter = 'q', .name = "quiet", .meaning = "no words but errors", .example = "-q"},
    kHelpOption,
};
constexpr Example kExamples[] = {
    {"devrun cp 42:checkpoints/last.pt .", "a file, from the job's directory"},
    {"devrun cp 42:/tmp/profile profiles/", "a folder with all that is in it"}};

struct CopyWish {
  AttemptKey key;
  std::string path;
  std::string destination;
  bool quiet = false;
};

// The last part of the path, under which it comes into a folder.
Result<std::string> name_of(const std::string& path) {
  std::string text = path;
  while (text.size() > 1 && text.back() == '/') text.pop_back();
  const std::string name = text.substr(text.rfind('/') + 1);
  if (!name.empty() && name != "." && name != "..") return name;
  return Error{
      Code::kInvalid, fmt::format("'{}' has no name of its own: name a file or folder", path), {}};
}

// What it wrote has outlived its file system.
Error no_more(Controller& controller, const CopyWish& wish, const Error& otherwise) {
  const TaskKey task = wish.key.task_key();
  const Result<JobRecord> job = controller.get_job(task);
  if (!job || !is_final(job->state) || job->spec.dev_container) return otherwise;
  const std::string words = command_line({wish.path});
  return {Code::kConflict,
          has_ended_words(*job) +
              ", and its own file system with it: what it wrote below home is in the volume, the "
              "rest in its change set",
          fmt::format("devrun changes {}; devrun apply {} {}", to_string(task), to_string(task),
                      words)};
}

Result<int> copy(const CopyWish& wish, Context& context) {
  Signals signals = TRY(Signals::take());
  const auto controller = TRY(controller_of(context));
  const std::string name = TRY(name_of(wish.path));
  Result<Copied> copied = Error{Code::kInternal, "nothing came", {}};
  const Result<int> status = run_inner_session(
      *controller, context, signals, wish.key, {"files", wish.path}, [&](InnerStreams streams) {
        copied = receive_files(streams.from_job.get(), wish.destination, name);
      });
  if (!status && status.error().code == Code::kConflict)
    return no_more(*controller, wish, status.error());
  if (!status) return status;
  // Where we stopped taking, our error says why; else the other side has.
  const bool stopped = *status == kStatusBrokenPipe;
  if (const auto ended = job_that_ended(*controller, wish.key.task_key(), *status)) {
    return Error{Code::kConflict,
                 has_ended_words(*ended) + " before all was copied: what has come is not whole",
                 "devrun show " + to_string(wish.key)};
  }
  if (*status != 0 && !stopped) return *status;
  if (!copied) return copied.error();
  if (!wish.quiet) {
    context.console.say(fmt::format("copied {} file{}, {}", copied->files,
                                    copied->files == 1 ? "" : "s",
                                    format_size(static_cast<int64_t>(copied->bytes))));
  }
  return 0;
}

Result<Action> parse(const Arguments& arguments) {
  if (arguments.has_dashes || arguments.words.size() != 2) {
    return Error{Code::kInvalid, "expected JOB:PATH and DEST", {}};
  }
  const std::string& from = arguments.words[0];
  const std::string& to = arguments.words[1];
  const size_t job_end = to.find(':');
  const bool into_job = job_end != std::string::npos && job_end > 0 &&
                        parse_attempt_key(to.substr(0, job_end)).has_value();
  if (into_job && from.find(':') == std::string::npos) {
    return Error{
        Code::kInvalid, "it copies out of a job, not into one",
        fmt::format("devrun exec {} sh -c {} < {}", to.substr(0, job_end),
                    command_line({"cat > " + to.substr(job_end + 1)}), command_line({from}))};
  }
  const size_t colon = from.find(':');
  if (colon == std::string::npos || colon + 1 == from.size()) {
    return Error{Code::kInvalid, fmt::format("'{}' is not JOB:PATH, such as 42:out.txt", from), {}};
  }
  CopyWish wish;
  wish.key = TRY(parse_attempt_key(from.substr(0, colon)));
  wish.key.rank = TRY(chosen_rank(arguments, wish.key)).value_or(wish.key.rank);
  wish.path = from.substr(colon + 1);
  if (to == "-") {
    return Error{Code::kInvalid, "it writes files and folders, not stdout",
                 fmt::format("devrun exec {} cat {}; or ./- for a file of that name",
                             to_string(wish.key), command_line({wish.path}))};
  }
  TRY(name_of(wish.path));
  wish.destination = to;
  wish.quiet = arguments.has("quiet");
  return Action([=](Context& context) { return copy(wish, context); });
}

}  // namespace

Command cp_command() {
  return {
      {.name = "cp",
       .usage = {"cp [--rank R] JOB:PATH DEST"},
       .purpose = "copy a file or folder out of a running job",
       .text = "Of one that has ended, `devrun changes JOB` lists what it wrote, and `devrun apply "
               "JOB PATH` takes it.\n"
               "PATH is as the job sees it, and relative to its directory; what the job's user "
               "may not read is left out.\n"
               "Into DEST if that is a folder, else as DEST. Owners are not kept, modes and "
               "times are.",
       .options = kOptions,
       .examples = kExamples},
      parse};
}

}  // namespace devrun::cli
