#include "cli/commands/attached_run.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <memory>
#include <thread>
#include <vector>

#include "cli/client/attach.h"
#include "cli/output/job_json.h"
#include "cli/output/job_text.h"
#include "cli/output/results_text.h"
#include "common/model/fits.h"

namespace devrun::cli {

namespace {

constexpr int kLooksForEndMax = 60;  // a session ends a moment before its job
constexpr auto kLookForEndEvery = std::chrono::milliseconds(50);

// What was written: by the one rank, or, of several, by all that can still be asked about.
std::vector<RankWrote> wrote_of(Controller& controller, const Following& following,
                                const AttachEnd& end) {
  std::vector<RankWrote> out;
  if (following.session) return out;
  if (following.ranks <= 1) {
    const AttemptKey key{following.task.job, following.task.task, following.rank, 1};
    if (end.wrote) out.push_back({key, *end.wrote});
    return out;
  }
  const Result<JobRecord> job = controller.get_job(following.task);
  if (!job) return out;
  return newest_wrote(*job, following.task.task);
}

// The program is not there; perhaps one of our commands was meant.
void say_near_command(const Console& console, const std::string& near) {
  console.say(fmt::format("devrun's own command may have been meant: {}", near),
              fmt::format("devrun {}{}", near.starts_with('-') ? "" : "help ", near));
}

// The job goes on, as a rule: it is not what was killed.
std::optional<Words> session_ending_words(Controller& controller, const Following& following,
                                          const AttachEnd& end, std::optional<Words> words) {
  // What a container's end kills ends by SIGKILL: another status of a program that ran is its own, that of a devrun too.
  const bool own_end =
      end.ending.cause == EndCause::kExited
          ? end.ending.status != 128 + SIGKILL
          : end.ending.cause == EndCause::kNotStarted && end.ending.fault == Fault::kCaller;
  const auto ended = following.quiet || own_end
                         ? std::nullopt
                         : job_that_ended(controller, following.task, end.ending.status);
  if (ended) {
    const std::string job = to_string(following.task);
    if (ended->ending && ended->ending->cause == EndCause::kNotStarted) {
      const Ending& why = *ended->ending;
      const std::string what = ended->spec.dev_container
                                   ? "the dev container of volume " + ended->spec.root.volume
                                   : "job " + job;
      return Words{fmt::format("{} could not start: {}", what, why.reason),
                   why.hint.empty() ? "devrun show " + job : why.hint};
    }
    return Words{has_ended_words(*ended) + ", and the program was killed with it",
                 ended->spec.dev_container
                     ? "devrun shell " + ended->spec.root.volume
                     : fmt::format("devrun show {}; devrun logs {}", job, job)};
  }
  if (words && !end.ending.reason.empty()) words->message = end.ending.reason;
  return words;
}

int say_ending(Controller& controller, const Console& console, const Following& following,
               const AttachEnd& end, bool output_is_cut) {
  int status = exit_status(end.state, end.ending);
  if (status == 0 && output_is_cut) {
    console.say(fmt::format("job {} succeeded, but not all of its output was kept",
                            to_string(following.task)),
                "a file for so much output; or devrun up --output-max S");
    status = kStatusIncomplete;
  }
  const std::vector<RankWrote> wrote = wrote_of(controller, following, end);
  auto words = ending_words(following.task, end.state, end.ending);
  if (following.session) words = session_ending_words(controller, following, end, words);
  // Said with where the files are.
  if (status == kStatusIncomplete && !failures_words(wrote).empty()) words.reset();
  // What devrun itself did wrong is said even when it should be quiet.
  const bool must_be_said = status == kStatusDevrun || end.ending.cause == EndCause::kNotStarted;
  if (words && (!following.quiet || must_be_said)) console.say(words->message, words->hint);
  if (words && status == kStatusNotFound && !following.near_command.empty()) {
    say_near_command(console, following.near_command);
  }
  for (const Words& one :
       following.quiet ? failures_words(wrote) : written_words(wrote, following.results)) {
    console.say(one.message, one.hint);
  }
  return status_with_results(status, wrote);
}

int say_leaving(Controller& controller, const Console& console, const Following& following,
                const Attached& attached) {
  const std::string job = to_string(following.task);
  switch (attached.how) {
    case Attached::How::kEnded:
      if (following.before_ending) following.before_ending();
      return say_ending(controller, console, following, attached.end, attached.output_is_cut);
    case Attached::How::kDetached:
      if (following.session) {
        console.say(fmt::format("left the session, which is hung up; job {} goes on", job));
        return 0;
      }
      console.say(fmt::format("detached from job {}, which goes on", job),
                  fmt::format("devrun attach {}", job));
      return 0;
    case Attached::How::kHungUp:
      return 0;
    case Attached::How::kBrokenPipe:
      return kStatusBrokenPipe;
    case Attached::How::kLeft:
      return kStatusCancelled;
    case Attached::How::kStoppedWatching:
      if (!following.quiet && !following.session) {
        console.say(fmt::format("stopped watching job {}, which goes on", job),
                    fmt::format("devrun attach {}", job));
      }
      return 128 + attached.signal;
  }
  return kStatusDevrun;
}

AttachOptions options_for(const Following& following, const Context& context) {
  AttachOptions out;
  out.what = AttemptKey{following.task.job, following.task.task, following.rank, 1};
  out.in = context.in;
  out.watch = following.watch;
  out.signals_end_us = following.signals_end_us;
  out.write_stdin = following.write_stdin;
  out.tty = following.tty;
  out.detach_keys = following.detach_keys;
  out.has_terminal = has_controlling_terminal();
  out.patient = following.patient;
  out.stdin_goes_on = !following.patient;
  out.quiet = following.quiet;
  out.session = following.session;
  out.begin = following.begin;
  out.keeps = following.keeps;
  out.before_output = following.before_output;
  return out;
}

// The ranks beside the first: only their output is of interest, and they end when the first is left.
class OtherRanks {
 public:
  OtherRanks(Controller& controller, Console& console, const Following& following,
             AttachOptions options, AttachSession& first) {
    options.watch = true;
    options.write_stdin = false;
    options.tty = false;
    options.quiet = true;  // the first one says what is to be said
    for (uint32_t rank = 1; rank < following.ranks; ++rank) {
      options.what.rank = rank;
      options.rank_prefix = rank_prefix(rank);
      sessions_.push_back(std::make_unique<AttachSession>(controller, console, nullptr, options));
    }
    for (const auto& session : sessions_) {
      threads_.emplace_back([&console, &first, one = session.get()] {
        const auto attached = one->run();
        if (!attached) console.say(attached.error());
        if (attached && attached->how == Attached::How::kBrokenPipe) first.nobody_reads();
      });
    }
  }

  static std::string rank_prefix(uint32_t rank) { return fmt::format("[{}] ", rank); }

  void stop() {
    for (const auto& session : sessions_) session->stop();
  }
  void join() {
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
  }

 private:
  std::vector<std::unique_ptr<AttachSession>> sessions_;
  std::vector<std::thread> threads_;
};

}  // namespace

std::optional<JobRecord> job_that_ended(Controller& controller, const TaskKey& task, int status) {
  if (status != 128 + SIGKILL && status != kStatusDevrun) return {};
  for (int look = 0; look < kLooksForEndMax; ++look) {
    if (look > 0) std::this_thread::sleep_for(kLookForEndEvery);
    Result<JobRecord> job = controller.get_job(task);
    if (!job) return {};
    if (is_final(job->state)) return std::move(*job);
  }
  return {};
}

std::string has_ended_words(const JobRecord& job) {
  if (job.spec.dev_container) {
    return fmt::format("the dev container of volume {} has ended", job.spec.root.volume);
  }
  return fmt::format("job {} has ended {}", to_string(TaskKey{job.job, job.task}),
                     state_name(job.state));
}

Result<int> follow_job(Controller& controller, Context& context, Signals& signals,
                       const Following& following) {
  AttachOptions options = options_for(following, context);
  if (following.ranks > 1) options.rank_prefix = OtherRanks::rank_prefix(0);
  AttachSession session(controller, context.console, &signals, options);
  OtherRanks others(controller, context.console, following, options, session);
  const Result<Attached> attached = session.run();
  if (!attached || attached->how != Attached::How::kEnded) others.stop();
  others.join();
  if (!attached) return attached.error();
  return say_leaving(controller, context.console, following, *attached);
}

Result<Submitted> submit_interruptibly(Controller& controller, Signals& signals,
                                       const Submission& submission,
                                       const std::function<void(const Error&)>& waits) {
  const UniqueFd done(::eventfd(0, EFD_CLOEXEC));
  std::thread watcher([&] {
    for (;;) {
      std::array<pollfd, 2> polled{{{done.get(), POLLIN, 0}, {signals.fd(), POLLIN, 0}}};
      ::poll(polled.data(), polled.size(), -1);
      if (polled[0].revents != 0) return;
      const auto signal = signals.next();
      const bool ends_us =
          signal == SIGINT || signal == SIGTERM || signal == SIGQUIT || signal == SIGHUP;
      if (ends_us) controller.interrupt();
    }
  });
  auto out = controller.submit(submission, waits);
  ::eventfd_write(done.get(), 1);
  watcher.join();
  return out;
}

Result<int> print_submitted(const Console& console, const Submitted& submitted, bool json) {
  const std::string text = json ? submitted_json(submitted.job, submitted.tree, submitted.timeline)
                                : fmt::format("{}\n", submitted.job);
  TRY(console.data(text));
  return 0;
}

void warn_of_no_node(Controller& controller, const Console& console, JobId job,
                     const JobSpec& spec) {
  const auto nodes = controller.list_nodes();
  if (!nodes || nodes->empty()) return;  // the job is there, which is what was asked for
  const auto could = std::ranges::count_if(*nodes, [&](const NodeRecord& node) {
    return may_run_on(node.hello, spec) && fits(node.hello, spec.per_node);
  });
  if (could >= static_cast<int64_t>(spec.nodes)) return;
  const auto waiting = controller.get_job({job, kNoTask});
  const bool has_reason = waiting && !waiting->reason.empty();
  console.say(
      fmt::format("job {} cannot start on the nodes that there are, and waits for others{}{}", job,
                  has_reason ? ": " : "", has_reason ? waiting->reason : ""),
      fmt::format("devrun nodes; devrun cancel {}", job));
}

Result<int> send_job(const Target& target, Context& context, const Submission& submission,
                     const Sending& sending) {
  Signals signals = TRY(Signals::take());
  Controller controller(target);
  const auto say_waiting = [&](const Error& error) {
    if (!sending.quiet)
      context.console.say(error.message + "; waiting for it", "Ctrl-C, to give up");
  };
  Submission asked = submission;
  asked.tell_site = !sending.quiet;
  const auto submitted = submit_interruptibly(
      controller, signals, asked,
      sending.wait_for_controller ? std::function<void(const Error&)>(say_waiting) : nullptr);
  if (!submitted && submitted.error().code == Code::kCancelled) {
    context.console.say(submitted.error());
    return kStatusCancelled;
  }
  if (!submitted && submitted.error().code == Code::kUnavailable) {
    Error error = submitted.error();
    error.hint += ", or the same with --wait-for-controller";
    return error;
  }
  if (!submitted) return submitted.error();
  if (!submitted->site.empty()) {
    context.console.say(fmt::format("{} is on {}, which is the site's and no part of the snapshot: "
                                    "edits there show through in the job (this is said once)",
                                    submission.spec.program.cwd, submitted->site),
                        "devrun volume paths");
  }
  if (sending.detach) {
    const int status = TRY(print_submitted(context.console, *submitted, sending.json));
    if (!sending.quiet)
      warn_of_no_node(controller, context.console, submitted->job, submission.spec);
    return status;
  }
  Following following;
  following.task = TaskKey{submitted->job, kNoTask};
  following.ranks = submission.spec.nodes;
  following.write_stdin = submission.spec.program.reads_stdin;
  following.tty = submission.spec.program.tty;
  following.detach_keys = sending.detach_keys;
  following.patient = true;
  following.quiet = sending.quiet;
  following.near_command = sending.near_command;
  following.keeps = sending.keeps;
  following.results = submission.spec.results;
  return follow_job(controller, context, signals, following);
}

}  // namespace devrun::cli
