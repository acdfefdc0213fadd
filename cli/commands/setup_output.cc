#include "cli/commands/setup_output.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "cli/client/record_decoder.h"
#include "cli/output/job_text.h"

namespace devrun::cli {

namespace {

constexpr std::chrono::milliseconds kLookFirst{10};
constexpr std::chrono::milliseconds kLookMost{200};
constexpr int kMissedMax = 50;  // looks in a row without an answer, once the job has begun or ended

}  // namespace

SetupOutput::SetupOutput(const Target& target, const Console& console, JobId job, bool quiet)
    : console_(console), job_(job), quiet_(quiet), controller_(target) {
  thread_ = std::thread([this] { run(); });
}

void SetupOutput::finish() {
  {
    const std::lock_guard lock(mutex_);
    finishing_ = true;
    changed_.notify_all();
  }
  const std::lock_guard joining(joining_);
  if (thread_.joinable()) thread_.join();
}

void SetupOutput::stop() {
  stopped_ = true;
  finish();
}

void SetupOutput::run() {
  std::chrono::milliseconds pause = kLookFirst;
  for (;;) {
    bool last = false;
    {
      const std::lock_guard lock(mutex_);
      last = finishing_;
    }
    if (look() || last || stopped_) return;
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, pause, [this] { return finishing_; });
    pause = std::min(pause * 2, kLookMost);
  }
}

bool SetupOutput::look() {
  const Result<JobRecord> job = controller_.get_job(job_);
  if (!job) return false;  // the job's own connection says why
  if (!job->setup) return is_final(job->state);
  const SetupUse& setup = *job->setup;
  if (setup.how == SetupHow::kHit) return true;
  if (setup.run == printed_) return is_final(job->state);
  if (!quiet_) {
    console_.say(fmt::format("its setup runs as job {} ({}): {}", setup.run,
                             setup.waits ? "begun by another launch" : setup_how_name(setup.how),
                             setup.why));
  }
  printed_ = setup.run;
  print(setup.run);
  return false;
}

// What there is, again and again: a call that waits for more could not be ended by us.
void SetupOutput::print(JobId run) {
  RecordDecoder decoder;
  uint32_t attempt = 0;
  std::chrono::milliseconds pause = kLookFirst;
  const auto write = [&](const OutputPiece& one) {
    if (one.stream == OutputStream::kStdout) return console_.data(one.bytes);
    console_.say_plain(one.bytes);
    return ok();
  };
  while (!stopped_) {
    const Result<JobRecord> job = controller_.get_job(run);
    bool anew = false;
    const LogQuery query{
        .what = {run, kNoTask, 0, 0}, .offset = decoder.offset(), .attempt = attempt};
    const Status read = controller_.read_log(query, [&](const LogPiece& piece) {
      attempt = piece.attempt;
      return decoder.feed(piece.bytes, write);
    });
    if (job && !job->attempts.empty() && attempt != 0) {
      const uint32_t newest = newest_attempt(*job)->key.attempt;
      anew = newest > attempt;  // its node was lost
      if (anew) {
        decoder = {};
        attempt = newest;
      }
    }
    if (read && job && is_final(job->state) && !anew) return;
    if (is_over()) return;
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, pause, [this] { return stopped_.load(); });
    pause = std::min(pause * 2, kLookMost);
  }
}

// Whether the job itself has ended without its step's run, which may go on for another launch.
bool SetupOutput::is_over() {
  {
    const std::lock_guard lock(mutex_);
    if (!finishing_) return false;
  }
  const Result<JobRecord> job = controller_.get_job(job_);
  if (!job) return ++missed_ > kMissedMax;
  missed_ = 0;
  return is_final(job->state);
}

}  // namespace devrun::cli
