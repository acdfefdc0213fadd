// `devrun attach`: back to a job's streams.
#include <fmt/format.h>
#include <unistd.h>

#include "cli/client/detach_keys.h"
#include "cli/client/terminal.h"
#include "cli/commands/attached_run.h"
#include "cli/commands/connect.h"

namespace devrun::cli {

namespace {

constexpr Option kOptions[] = {
    {.name = "tail",
     .value = "N",
     .meaning = "begin with at least the last N lines of output, or with `all` of it",
     .fallback = "what fits into 256 KiB",
     .example = "--tail 100"},
    {.name = "no-stdin",
     .meaning = "only watch: neither stdin nor signals reach the job",
     .example = "--no-stdin"},
    {.name = "detach-keys",
     .value = "KEYS",
     .meaning = "the keys that detach from a terminal",
     .fallback = "ctrl-\\,d",
     .example = "--detach-keys ctrl-p,ctrl-q"},
    {.letter = 'q', .name = "quiet", .meaning = "no words but errors", .example = "-q"},
    kRankOption,
    kHelpOption,
};
constexpr Example kExamples[] = {
    {"devrun attach 42", "its recent output, then live; stdin goes to the job"}};

constexpr uint64_t kRecentBytes = 256 << 10;
constexpr uint64_t kTailBytesMax = 64 << 20;

struct AttachWish {
  AttemptKey key;
  bool all_ranks = false;
  bool no_stdin = false;
  bool quiet = false;
  std::string detach_keys;
  std::string detach_words;  // the same as they are called
  std::optional<LogBegin> begin;
};

// To a person, before the first output: how one leaves, and what becomes of the job by that.
void say_how_to_leave(const Following& following, const AttachWish& wish, const Console& console) {
  if (wish.quiet || ::isatty(console.err()) == 0) return;
  const std::string job = to_string(following.task);
  if (following.watch) {
    console.say(fmt::format("watching job {}: Ctrl-C ends that alone", job), {});
  } else if (following.tty) {
    console.say(
        fmt::format("attached to job {}: {} leaves it, and it goes on", job, wish.detach_words),
        {});
  } else {
    console.say(
        fmt::format("attached to job {}: Ctrl-C goes to it, and twice within 2 seconds cancels it",
                    job),
        fmt::format("devrun attach --no-stdin {}, to watch it alone", job));
  }
}

Result<int> attach(const AttachWish& wish, Context& context) {
  Signals signals = TRY(Signals::take());
  const auto controller = TRY(controller_of(context));
  const JobRecord job = TRY(controller->get_job(wish.key.job));
  if (job.spec.dev_container && !is_final(job.state)) {
    return Error{
        Code::kInvalid,
        fmt::format("job {} is the dev container of volume {}: it has no program of its own",
                    job.job, job.spec.root.volume),
        "devrun shell " + job.spec.root.volume};
  }
  Following following;
  following.task = wish.key.task_key();
  following.rank = wish.key.rank;
  if (wish.all_ranks) following.ranks = job.spec.nodes;
  following.watch = wish.no_stdin || is_final(job.state);
  following.write_stdin = job.spec.program.reads_stdin && !following.watch;
  following.tty = job.spec.program.tty && is_terminal(context.in) &&
                  is_terminal(context.console.out()) && following.write_stdin;
  following.detach_keys = wish.detach_keys;
  following.quiet = wish.quiet;
  following.begin = wish.begin;
  following.keeps = !job.spec.cancel_on_disconnect;
  following.results = job.spec.results;
  if (!is_final(job.state)) say_how_to_leave(following, wish, context.console);
  return follow_job(*controller, context, signals, following);
}

// From the last line ends on, as far as they lie within kTailBytesMax.
Result<std::optional<LogBegin>> begin_of(const Arguments& arguments) {
  const auto tail = arguments.value("tail");
  LogBegin begin;
  begin.bytes_max = kRecentBytes;
  if (!tail) return std::optional(begin);
  if (*tail == "all") return std::optional<LogBegin>();
  begin.lines = TRY(line_count(*tail));
  begin.bytes_max = kTailBytesMax;
  return std::optional(begin);
}

Result<Action> parse(const Arguments& arguments) {
  AttachWish wish;
  wish.key = TRY(one_job(arguments));
  const auto rank = TRY(chosen_rank(arguments, wish.key));
  wish.all_ranks = !rank;
  wish.key.rank = rank.value_or(0);
  wish.no_stdin = arguments.has("no-stdin");
  wish.quiet = arguments.has("quiet");
  wish.begin = TRY(begin_of(arguments));
  const auto keys = arguments.value("detach-keys");
  wish.detach_words = keys.value_or("Ctrl-\\ d");
  wish.detach_keys = TRY(parse_detach_keys(keys ? std::string_view(*keys) : kDefaultDetachKeys));
  return Action([=](Context& context) { return attach(wish, context); });
}

}  // namespace

Command attach_command() {
  return {
      {.name = "attach",
       .usage = {"attach [--tail N] [--rank R] [--no-stdin] [--detach-keys KEYS] JOB"},
       .purpose = "output, input and signals of a job that runs, until it ends",
       .text = "Returns the job's exit status. Ctrl-\\ d leaves a terminal; the job goes on.\n"
               "Many may watch a job, and one writes to it: the first to attach, whose input, "
               "signals and terminal\n"
               "are the job's. Whoever comes meanwhile watches, and so does --no-stdin: Ctrl-C or "
               "TERM ends that alone,\n"
               "with 130 or 143. When the writer has left, the next to attach writes.",
       .options = kOptions,
       .examples = kExamples},
      parse};
}

}  // namespace devrun::cli
