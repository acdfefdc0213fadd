// `devrun ps`: the list of jobs, those that live and those that have ended, however long ago.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <optional>

#include "cli/commands/connect.h"
#include "cli/commands/watch_jobs.h"
#include "cli/output/job_format.h"
#include "cli/output/job_json.h"
#include "cli/output/job_text.h"
#include "common/base/parse_number.h"
#include "common/base/suggest.h"

namespace devrun::cli {

namespace {

constexpr Option kOptions[] = {
    {.letter = 'a',
     .name = "all",
     .meaning = "also jobs that ended more than an hour ago, and, for an admin, those of others",
     .example = "-a"},
    {.name = "since",
     .value = "T",
     .meaning = "only jobs that live, or ended since then: a span before now, or a time in UTC",
     .example = "--since 2d"},
    {.name = "until",
     .value = "T",
     .meaning = "only jobs that were submitted by then",
     .example = "--until 2026-11-01"},
    {.name = "user",
     .value = "U",
     .meaning = "only this user's jobs (an admin may name others)",
     .example = "--user ada"},
    {.name = "state",
     .value = "S,…",
     .meaning = "only jobs in one of these states",
     .example = "--state FAILED,TIMED_OUT"},
    {.name = "name",
     .value = "PATTERN",
     .meaning = "only jobs of that name, in which * ? [abc] stand for others",
     .example = "--name 'train-*'"},
    {.name = "label",
     .value = "K[=V]",
     .meaning = "only jobs with that label; may be repeated",
     .example = "--label team=vision"},
    {.name = "exit",
     .value = "CODE",
     .meaning = "only jobs that ended with that status; !0: with any other than 0",
     .example = "--exit 137"},
    {.name = "limit",
     .value = "N",
     .meaning = "the newest N, at most 1000",
     .example = "--limit 20"},
    {.name = "before",
     .value = "JOB",
     .meaning = "only jobs with a lower number: the next page",
     .example = "--before 1200"},
    {.letter = 'w',
     .name = "watch",
     .meaning = "go on: the list as it changes on a terminal, else a line for each change",
     .example = "--watch"},
    {.name = "format",
     .value = "TEXT",
     .meaning = "a line for each job with these {fields}; \\t and \\n stand for themselves",
     .example = "--format {job}:{state}"},
    {.name = "json",
     .meaning = "one JSON record: {\"jobs\": […], \"truncated\": …, \"next_before\": …}",
     .example = "--json"},
    kHelpOption,
};
constexpr Example kExamples[] = {
    {"devrun ps", "your jobs that live or ended within the hour"},
    {"devrun ps -a --json", "all of them, for a script"},
    {"devrun ps --since 7d --exit '!0'", "what went wrong this week"},
    {"devrun ps -a --name 'train-*' --state RUNNING,FAILED", "some by name and state"},
    {"devrun ps --watch state:run", "those that run, as they come and go"},
    {"devrun ps --format '{job}\\t{state}\\t{command}'", "for a script"},
    {"devrun ps -a resnet '!debug'", "with `resnet` somewhere in the line, and without `debug`"}};

constexpr std::array kStates{JobState::kQueued,    JobState::kStarting,   JobState::kSettingUp,
                             JobState::kRunning,   JobState::kCompleting, JobState::kUnreachable,
                             JobState::kSucceeded, JobState::kFailed,     JobState::kCancelled,
                             JobState::kTimedOut,  JobState::kNodeLost};
constexpr uint32_t kLimitMax = 1000;

Result<JobState> state_of(const std::string& text) {
  std::string name = text;
  std::ranges::transform(name, name.begin(), [](unsigned char c) { return std::toupper(c); });
  std::vector<std::string_view> names;
  for (const JobState state : kStates) {
    if (state_name(state) == name) return state;
    names.push_back(state_name(state));
  }
  const auto nearest = nearest_word(name, names);
  return Error{
      Code::kInvalid,
      nearest ? fmt::format("--state: there is no state '{}', did you mean {}?", text, *nearest)
              : fmt::format("--state: there is no state '{}': they are {}", text,
                            fmt::join(names, ", ")),
      {}};
}

Result<std::vector<JobState>> states_of(const std::string& text) {
  std::vector<JobState> out;
  for (size_t at = 0; at <= text.size();) {
    const size_t end = std::min(text.find(',', at), text.size());
    out.push_back(TRY(state_of(text.substr(at, end - at))));
    at = end + 1;
  }
  return out;
}

Status read_exit(const std::string& text, JobQuery& out) {
  if (text == "!0") {
    out.failed = true;
    return ok();
  }
  const auto status = parse_number<int32_t>(text);
  if (!status || *status < 0 || *status > 255) {
    return Error{Code::kInvalid,
                 fmt::format("--exit: '{}' is neither a status from 0 to 255 nor !0", text),
                 {}};
  }
  out.exit_status = *status;
  return ok();
}

Result<std::pair<std::string, std::optional<std::string>>> label_of(const std::string& text) {
  const size_t equals = text.find('=');
  if (equals == 0 || text.empty()) {
    return Error{Code::kInvalid, fmt::format("--label: '{}' has no name", text), "--label K[=V]"};
  }
  if (equals == std::string::npos) return std::pair{text, std::optional<std::string>()};
  return std::pair{text.substr(0, equals), std::optional(text.substr(equals + 1))};
}

// 0 would be no filter.
Result<Time> filter_time(const std::string& text) {
  return Time{std::max<int64_t>(1, TRY(since_when(text)).us)};
}

Result<JobQuery> query_of(const Arguments& arguments) {
  JobQuery out;
  out.all = arguments.has("all");
  out.user = arguments.value("user").value_or("");
  out.name = arguments.value("name").value_or("");
  out.words = arguments.words;
  if (const auto since = arguments.value("since")) out.since = TRY(filter_time(*since));
  if (const auto until = arguments.value("until")) out.until = TRY(filter_time(*until));
  if (const auto states = arguments.value("state")) out.states = TRY(states_of(*states));
  for (const std::string& text : arguments.values("label"))
    out.labels.push_back(TRY(label_of(text)));
  if (const auto status = arguments.value("exit")) TRY(read_exit(*status, out));
  if (const auto text = arguments.value("limit")) {
    const auto limit = parse_number<uint32_t>(*text);
    if (!limit || *limit == 0 || *limit > kLimitMax) {
      return Error{Code::kInvalid,
                   fmt::format("--limit: '{}' is no number from 1 to {}", *text, kLimitMax),
                   {}};
    }
    out.limit = *limit;
  }
  if (const auto text = arguments.value("before")) {
    const auto before = parse_number<JobId>(*text);
    if (!before || *before == 0) {
      return Error{Code::kInvalid, fmt::format("--before: '{}' is no job's number", *text), {}};
    }
    out.before = *before;
  }
  return out;
}

// `ps aux` is a question, too.
void say_none(const JobQuery& query, Context& context) {
  if (query.words.empty()) return;
  context.console.say(fmt::format(
      "no job has {} in its line. Try: devrun ps -a {}; or devrun -- ps {}, to run a program of "
      "that name",
      query.words.size() == 1 ? "that word" : "these words", fmt::join(query.words, " "),
      fmt::join(query.words, " ")));
}

struct Look {
  bool json = false;
  bool watch = false;
  std::optional<JobFormat> format = {};
};

bool wants_colours(const Context& context) {
  if (::isatty(context.console.out()) == 0 || context.surroundings.variable("NO_COLOR")) {
    return false;
  }
  return context.surroundings.variable("TERM").value_or("dumb") != "dumb";
}

// 0: no terminal, or one that does not tell.
size_t columns_of(int out) {
  winsize size{};
  return ::isatty(out) != 0 && ::ioctl(out, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

std::string formatted(const JobList& jobs, const JobFormat& format) {
  std::string out;
  for (const JobRecord& job : jobs.jobs) out += format.line(job, wall_clock());
  return out;
}

Result<int> go_on(Controller& controller, const JobQuery& query, const Look& look,
                  Context& context) {
  ListWatch watch{query, {}, {}};
  if (look.json) {
    watch.one = [](const JobRecord& job) { return job_json(job); };
  } else {
    const JobFormat format = look.format
                                 ? *look.format
                                 : TRY(JobFormat::parse("{job}\\t{state}\\t{status}\\t{command}"));
    watch.one = [format](const JobRecord& job) { return format.line(job, wall_clock()); };
    if (!look.format && ::isatty(context.console.out()) != 0) {
      const bool colours = wants_colours(context);
      const int out = context.console.out();
      watch.all = [colours, out](const JobList& jobs) {
        return jobs_text(jobs, wall_clock(), {colours, columns_of(out)});
      };
    }
  }
  return watch_jobs(controller, watch, context);
}

Result<int> ps(const JobQuery& query, const Look& look, Context& context) {
  const auto controller = TRY(controller_of(context));
  if (look.watch) return go_on(*controller, query, look, context);
  const bool json = look.json;
  const JobList jobs = TRY(controller->list_jobs(query));
  if (look.format) {
    TRY(context.console.data(formatted(jobs, *look.format)));
  } else {
    TRY(context.console.data(
        json ? jobs_json(jobs)
             : jobs_text(jobs, wall_clock(),
                         {wants_colours(context), columns_of(context.console.out())})));
  }
  if (jobs.jobs.empty() && !jobs.truncated && !json) say_none(query, context);
  if (jobs.truncated && !json) {
    context.console.say(
        fmt::format("these are not all: older jobs were left out. Try: devrun ps --before {} with "
                    "the same options",
                    jobs.next_before));
  }
  return 0;
}

Result<Action> parse(const Arguments& arguments) {
  if (arguments.has_dashes) TRY(no_words(arguments));
  const JobQuery query = TRY(query_of(arguments));
  Look look{arguments.has("json"), arguments.has("watch"), {}};
  if (const auto format = arguments.value("format")) look.format = TRY(JobFormat::parse(*format));
  if (look.json && look.format) {
    return Error{
        Code::kInvalid, "--json and --format: one of them, since both say what is printed", {}};
  }
  return Action([=](Context& context) { return ps(query, look, context); });
}

}  // namespace

Command ps_command() {
  return {
      {.name = "ps",
       .usage = {"ps [-a] [--since T] [--until T] [--user U] [--state S,…] [--name PATTERN] "
                 "[--label K[=V]] [WORD…]",
                 "ps [--exit CODE] [--limit N] [--before JOB] [--watch] [--json|--format TEXT]"},
       .purpose = "own jobs that live or ended within the hour",
       .text =
           "Newest last. STATUS is the exit status of a job that has ended, TIME how long it ran "
           "or has run.\n"
           "TASKS, if there are arrays, is how many have ended of how many.\n"
           "All that is asked for must hold. A WORD is part of what is shown of the job; !WORD "
           "must\n"
           "not be there; user:U, state:S and volume:V look there alone. Words are looked for in\n"
           "the newest 20,000 jobs, and --before goes on from there.\n"
           "Ended jobs are remembered for 400 days, unless the operator chose otherwise.\n"
           "Fields of --format: job name user volume state status reason nodes command gpus "
           "priority\n"
           "tasks seconds submitted snapshot; what has no value is '-'. --watch --json is a record "
           "a\n"
           "line, for each job whenever it has changed.",
       .options = kOptions,
       .examples = kExamples},
      parse};
}

}  // namespace devrun::cli
