#include "cli/commands/launch_several.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <numeric>
#include <thread>

#include "cli/client/caller.h"
#include "cli/commands/attached_run.h"
#include "cli/commands/follow_many.h"
#include "cli/commands/launch_choice.h"
#include "cli/commands/launch_job.h"
#include "cli/commands/setup_output.h"
#include "cli/output/ending_text.h"
#include "cli/output/results_text.h"
#include "common/model/sweep.h"

namespace devrun::cli {

namespace {

struct Sent {
  Submitted submitted;
  JobSpec spec;
};

class Launch {
 public:
  Launch(const LaunchWish& wish, const Target& target, Context& context, Signals& signals)
      : wish_(wish),
        target_(target),
        context_(context),
        signals_(signals),
        controller_(target),
        tasks_(wish.plan.tasks),
        group_(wish.plan.order == launch::TaskOrder::kParallel && wish.plan.tasks.size() > 1) {}

  Result<int> run() {
    const Status sent = send_all();
    if (!sent) {
      cancel_all();
      if (sent.error().code != Code::kCancelled) return sent.error();
      context_.console.say(sent.error());
      return kStatusCancelled;
    }
    if (group_ && !wish_.quiet) say_who_waits();
    if (wish_.detach) return print_ids();
    if (group_) return follow_group();
    for (size_t i = 0; i < sent_.size(); ++i) {
      const int status = TRY(follow_stage(i));
      if (status != 0) return said_stage(i, status);
      if (!has_ended(i)) return 0;  // left on purpose
    }
    return 0;
  }

 private:
  const std::vector<launch::TaskPlan>& tasks() const { return tasks_; }
  std::string whole_name() const {
    return plain_name(wish_.plan.name.empty() ? name_of_file(wish_.file) : wish_.plan.name,
                      group_ ? "group" : "pipeline");
  }
  std::string task_name(size_t i) const {
    if (!tasks()[i].name.empty()) return tasks()[i].name;
    return tasks().size() == 1 ? name_of_file(wish_.file) : fmt::format("task-{}", i);
  }

  Status send_all() {
    Places places(controller_, context_, signals_, target_, TRY(capture_caller()), wish_.volume,
                  wish_.quiet);
    for (size_t i = 0; i < wish_.plan.tasks.size(); ++i) TRY(take_choice(i));
    std::vector<TaskPlaces> found;
    for (const launch::TaskPlan& task : tasks_) found.push_back(TRY(places.of(task)));
    for (size_t i = 0; i < tasks().size() && !over_; ++i) TRY(send(i, std::move(found[i])));
    return ok();
  }

  // A later stage of a pipeline starts some time or other.
  Status take_choice(size_t i) {
    Chosen chosen = TRY(choose(controller_, context_, target_, wish_.plan.tasks[i], task_name(i),
                               !group_ && i > 0));
    if (!chosen.words.empty() && !wish_.quiet) {
      context_.console.say(fmt::format("{} {}", task_name(i), chosen.words));
    }
    tasks_[i] = std::move(chosen.task);
    alternatives_.push_back(std::move(chosen.alternatives));
    return ok();
  }

  Status send(size_t i, TaskPlaces places) {
    const bool several = tasks().size() > 1;
    TaskWish wish{tasks()[i],     task_name(i),      std::move(places), {},
                  wish_.no_setup, wish_.fresh_setup, alternatives_[i]};
    if (several) {
      wish.member = {whole_name(), i, tasks().size(), group_,
                     sent_.empty() ? 0 : sent_.front().submitted.job};
      wish.name = fmt::format("{}/{}", whole_name(), task_name(i));
    }
    Submission submission = TRY(submission_of(wish, context_, target_.through_socket));
    if (several && !group_) follow_the_others(submission);
    if (group_) join_group(i, submission.spec);
    Result<Submitted> submitted = submit_interruptibly(controller_, signals_, submission);
    if (!submitted && several && !group_ && submitted.error().code == Code::kConflict) {
      over_ = a_stage_has_failed();
    }
    if (over_) return ok();
    if (!submitted) return submitted.error();
    sent_.push_back({*submitted, std::move(submission.spec)});
    return ok();
  }

  // Sooner than the next one could be submitted.
  bool a_stage_has_failed() {
    return std::any_of(sent_.begin(), sent_.end(), [&](const Sent& sent) {
      const auto job = controller_.get_job(TaskKey{sent.submitted.job, kNoTask});
      return job && is_final(job->state) && job->state != JobState::kSucceeded;
    });
  }

  // All stages see one snapshot: that of the first, however long the others wait.
  void follow_the_others(Submission& submission) {
    for (const Sent& before : sent_) submission.spec.after_ok.push_back(before.submitted.job);
    // In a job it is that job's tree, of all of them.
    if (context_.surroundings.variable("DEVRUN_JOB_ID")) return;
    for (const Sent& before : sent_) {
      if (before.spec.root.volume != submission.spec.root.volume) continue;
      submission.snapshot = before.submitted.tree.hex();
      return;
    }
  }

  void join_group(size_t i, JobSpec& spec) {
    spec.group.leader = sent_.empty() ? 0 : sent_.front().submitted.job;
    spec.group.size = static_cast<uint32_t>(tasks().size());
    spec.group.name = whole_name();
    spec.group.task = plain_name(task_name(i), fmt::format("task-{}", i));
    spec.group.secondary = tasks()[i].secondary;
    // At the end of its setup a member waits for the others.
    if (spec.program.setup.empty()) {
      spec.program.setup = {"/bin/bash", "--noprofile", "--norc", "-c", ":"};
    }
  }

  void cancel_all() {
    for (const Sent& sent : sent_) (void)controller_.cancel({sent.submitted.job, kNoTask}, 0);
  }

  Result<int> print_ids() {
    for (const Sent& sent : sent_) {
      TRY(print_submitted(context_.console, sent.submitted, wish_.json));
      if (!wish_.quiet) {
        warn_of_no_node(controller_, context_.console, sent.submitted.job, sent.spec);
      }
    }
    return 0;
  }

  Following following_of(const Sent& sent) const {
    Following out;
    out.task = {sent.submitted.job, kNoTask};
    out.ranks = sent.spec.nodes;
    out.patient = true;
    out.quiet = wish_.quiet;
    out.results = sent.spec.results;
    return out;
  }

  Result<int> follow_stage(size_t i) {
    const Sent& sent = sent_[i];
    if (tasks().size() > 1 && !wish_.quiet) {
      context_.console.say(fmt::format("stage {} of {}, {}, is job {}", i + 1, tasks().size(),
                                       task_name(i), sent.submitted.job));
    }
    if (sent.spec.array.empty()) {
      return follow_one(sent);
    }
    return follow_array(sent);
  }

  Result<int> follow_one(const Sent& sent) {
    Following following = following_of(sent);
    if (sent.spec.program.setup.empty()) {
      return follow_job(controller_, context_, signals_, following);
    }
    SetupOutput setup(target_, context_.console, sent.submitted.job, wish_.quiet);
    following.before_output = [&setup] { setup.finish(); };
    following.before_ending = following.before_output;
    return follow_job(controller_, context_, signals_, following);
  }

  bool has_ended(size_t i) {
    const auto job = controller_.get_job(TaskKey{sent_[i].submitted.job, kNoTask});
    return job && is_final(job->state);
  }

  int said_stage(size_t i, int status) {
    const size_t left = tasks().size() - i - 1;
    if (tasks().size() == 1 || wish_.quiet || !has_ended(i)) return status;
    context_.console.say(
        fmt::format("stage {} of {}, {}, ended with status {}{}", i + 1, tasks().size(),
                    task_name(i), status,
                    left == 0 ? "" : fmt::format("; {} after it will not run", left)),
        fmt::format("devrun show {}", sent_[i].submitted.job));
    return status;
  }

  Result<int> follow_array(const Sent& sent) {
    const JobId job = sent.submitted.job;
    std::vector<Followed> followed;
    for (uint64_t n = 0; n < tasks_of(sent.spec); ++n) {
      std::string name = sweep_point_text(sent.spec.sweep, n);
      if (name.empty()) name = std::to_string(n);
      for (uint32_t rank = 0; rank < sent.spec.nodes; ++rank) {
        const std::string of_rank = sent.spec.nodes > 1 ? fmt::format(", rank {}", rank) : "";
        followed.push_back(
            {{job, static_cast<int32_t>(n), rank, 1}, fmt::format("[{}{}] ", name, of_rank)});
      }
    }
    const FollowedTo end =
        TRY(follow_many(controller_, context_, signals_, followed, [this] { cancel_all(); }));
    if (end == FollowedTo::kBrokenPipe) return kStatusBrokenPipe;
    if (end == FollowedTo::kLeft) return kStatusCancelled;
    return ended_status(sent);
  }

  // As the job's record says; its own words are said.
  Result<int> ended_status(const Sent& sent) {
    const AttemptKey key{sent.submitted.job, kNoTask, 0, 1};
    const JobRecord job = TRY(await_end(key.job));
    const Ending ending = job.ending.value_or(Ending{});
    const int status = exit_status(job.state, ending);
    const auto words = ending_words(key.task_key(), job.state, ending);
    if (words && !wish_.quiet) context_.console.say(words->message, words->hint);
    std::vector<RankWrote> wrote;
    for (uint64_t n = 0; n < tasks_of(sent.spec); ++n) {
      const auto task = static_cast<int32_t>(n);
      const auto record = controller_.get_job(TaskKey{key.job, task});
      if (!record) continue;
      const std::vector<RankWrote> of_task = newest_wrote(*record, task);
      wrote.insert(wrote.end(), of_task.begin(), of_task.end());
    }
    say_results(wrote, sent.spec.results);
    return status_with_results(status, wrote);
  }

  static uint64_t tasks_of(const JobSpec& spec) {
    return static_cast<uint64_t>(spec.array.front().last) + 1;
  }

  void say_results(const std::vector<RankWrote>& wrote, Results results) {
    for (const Words& one : wish_.quiet ? failures_words(wrote) : written_words(wrote, results)) {
      context_.console.say(one.message, one.hint);
    }
  }

  // Its last output has come, so that this takes a moment.
  Result<JobRecord> await_end(JobId id) {
    constexpr auto kPause = std::chrono::milliseconds(20);
    for (;;) {
      Result<JobRecord> job = controller_.get_job(TaskKey{id, kNoTask});
      if (job && is_final(job->state)) return job;
      if (!job && job.error().code != Code::kUnavailable) return job.error();
      controller_.wait_connected(kPause);
      std::this_thread::sleep_for(kPause);
    }
  }

  // The others of a group would wait for it without a word.
  void say_who_waits() {
    constexpr auto kPause = std::chrono::milliseconds(100);
    constexpr int kLooks = 5;  // what is about to be placed is not meant
    std::vector<size_t> left(sent_.size());
    std::iota(left.begin(), left.end(), 0);
    std::vector<JobRecord> waiting;
    for (int look = 0; look < kLooks && !left.empty(); ++look) {
      if (look > 0) std::this_thread::sleep_for(kPause);
      waiting.clear();
      std::erase_if(left, [&](size_t i) {
        auto job = controller_.get_job(TaskKey{sent_[i].submitted.job, kNoTask});
        if (!job || job->state != JobState::kQueued) return true;
        waiting.push_back(*std::move(job));
        return false;
      });
    }
    for (size_t at = 0; at < left.size(); ++at) {
      context_.console.say(fmt::format("{} waits: {}", task_name(left[at]), waiting[at].reason),
                           fmt::format("devrun explain {}; devrun nodes", waiting[at].job));
    }
  }

  Result<int> follow_group() {
    std::vector<Followed> followed;
    for (size_t i = 0; i < sent_.size(); ++i) {
      for (uint32_t rank = 0; rank < sent_[i].spec.nodes; ++rank) {
        const std::string of_rank = sent_[i].spec.nodes > 1 ? fmt::format(".{}", rank) : "";
        if (followed.size() == kFollowedMax) break;
        followed.push_back({{sent_[i].submitted.job, kNoTask, rank, 1},
                            fmt::format("[{}{}] ", task_name(i), of_rank)});
      }
    }
    const FollowedTo end =
        TRY(follow_many(controller_, context_, signals_, followed, [this] { cancel_all(); }));
    if (end == FollowedTo::kBrokenPipe) return kStatusBrokenPipe;
    if (end == FollowedTo::kLeft) return kStatusCancelled;
    return group_status();
  }

  // Who failed by itself comes before those that were ended for it.
  Result<int> group_status() {
    std::vector<JobRecord> jobs;
    std::vector<RankWrote> wrote;
    for (const Sent& sent : sent_) {
      jobs.push_back(TRY(await_end(sent.submitted.job)));
      const std::vector<RankWrote> of_job = newest_wrote(jobs.back());
      wrote.insert(wrote.end(), of_job.begin(), of_job.end());
    }
    say_results(wrote, sent_.front().spec.results);
    const int status = status_of_group(jobs);
    return status_with_results(status, wrote);
  }

  int status_of_group(const std::vector<JobRecord>& jobs) {
    int status = 0;
    for (const bool by_itself : {true, false}) {
      for (size_t i = 0; i < jobs.size() && status == 0; ++i) {
        const JobRecord& job = jobs[i];
        if ((job.state != JobState::kCancelled) != by_itself) continue;
        if (job.state == JobState::kCancelled && sent_[i].spec.group.secondary) continue;
        const Ending ending = job.ending.value_or(Ending{});
        status = exit_status(job.state, ending);
        if (status == 0 || wish_.quiet) continue;
        const auto words = ending_words({job.job, kNoTask}, job.state, ending);
        context_.console.say(fmt::format("{} of group {} ended with status {}{}", task_name(i),
                                         whole_name(), status, words ? ": " + words->message : ""),
                             fmt::format("devrun show {}", job.job));
      }
    }
    return status;
  }

  const LaunchWish& wish_;
  const Target& target_;
  Context& context_;
  Signals& signals_;
  Controller controller_;
  std::vector<launch::TaskPlan> tasks_;  // with what they ask for
  std::vector<std::vector<Resources>> alternatives_;
  const bool group_;
  std::vector<Sent> sent_;
  bool over_ = false;  // a stage has failed before all were submitted
};

Status check(const LaunchWish& wish) {
  if (wish.detach) return ok();
  for (const launch::TaskPlan& task : wish.plan.tasks) {
    if (uint64_t{task.array_tasks} * task.nodes <= kFollowedMax || task.array_tasks == 0) continue;
    const std::string each = task.nodes > 1 ? fmt::format(" on {} nodes each", task.nodes) : "";
    return Error{Code::kInvalid,
                 fmt::format("{} tasks{} are too many to show the output of: at most {}{}",
                             task.array_tasks, each, kFollowedMax, each.empty() ? "" : " in all"),
                 "the same with -d"};
  }
  return ok();
}

}  // namespace

Result<int> launch_plan(const LaunchWish& wish, const Target& target, Context& context) {
  TRY(check(wish));
  Signals signals = TRY(Signals::take());
  return Launch(wish, target, context, signals).run();
}

}  // namespace devrun::cli
