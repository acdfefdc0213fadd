// `devrun wait`: until jobs have ended.
#include <fmt/format.h>

#include <chrono>
#include <thread>

#include "cli/commands/connect.h"
#include "cli/output/results_text.h"

namespace devrun::cli {

namespace {

constexpr auto kPauseMin = std::chrono::milliseconds(20);
constexpr auto kPauseMax = std::chrono::milliseconds(500);

constexpr Option kOptions[] = {kHelpOption};
constexpr Example kExamples[] = {
    {"devrun wait 42 43", "returns when both have ended, with the first failure's status"}};

struct Outcome {
  JobState state = JobState::kQueued;
  Ending ending;
  std::vector<RankWrote> wrote = {};
};

// Asks again and again, ever less often: an answer is small, and restarts of the controller need no
// care.
Result<Outcome> wait_for(Controller& controller, const Console& console, const AttemptKey& key) {
  bool said = false;
  for (auto pause = kPauseMin;; pause = std::min(pause * 3 / 2, kPauseMax)) {
    const auto job = controller.get_job(key.task_key());
    if (job) TRY(check_attempt(*job, key));
    if (job && is_final(job->state)) {
      return Outcome{job->state, job->ending ? *job->ending : Ending{},
                     newest_wrote(*job, key.task)};
    }
    if (!job && job.error().code != Code::kUnavailable) return job.error();
    if (!job && !said) {
      console.say(fmt::format("{}\njob {} goes on; waiting for the controller", job.error().message,
                              key.job));
      said = true;
    }
    if (job) {
      std::this_thread::sleep_for(pause);
    } else {
      controller.wait_connected(pause);
    }
  }
}

Result<int> wait(const std::vector<AttemptKey>& jobs, Context& context) {
  const auto controller = TRY(controller_of(context));
  TRY(controller->hello());  // a controller that is down from the start is said at once
  int status = 0;
  for (const AttemptKey& key : jobs) {
    const Outcome outcome = TRY(wait_for(*controller, context.console, key));
    const int ended = exit_status(outcome.state, outcome.ending);
    const int one = status_with_results(ended, outcome.wrote);
    if (status == 0) status = one;
    const auto words = ending_words(key.task_key(), outcome.state, outcome.ending);
    const std::vector<Words> failures = failures_words(outcome.wrote);
    const bool is_said_below = one == kStatusIncomplete && !failures.empty();
    if (one != 0 && words && !is_said_below) context.console.say(words->message, words->hint);
    for (const Words& failure : failures) {
      context.console.say(fmt::format("job {}: {}", to_string(key.task_key()), failure.message),
                          failure.hint);
    }
  }
  return status;
}

Result<Action> parse(const Arguments& arguments) {
  const auto jobs = TRY(some_jobs(arguments));
  return Action([=](Context& context) { return wait(jobs, context); });
}

}  // namespace

Command wait_command() {
  return {{.name = "wait",
           .usage = {"wait JOB…"},
           .purpose = "until jobs have ended; the first failure's status",
           .text = "The status is 0 if all succeeded, else that of the first, in the order given, "
                   "that did not;\n123 if only its results could not be brought home.",
           .options = kOptions,
           .examples = kExamples},
          parse};
}

}  // namespace devrun::cli
